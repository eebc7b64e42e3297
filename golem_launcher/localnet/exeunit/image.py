"""An image as a deployment uses it: its root directory, and its maker's settings."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime.volumes import DEFAULT_VOLUMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LENGTH_DIGITS = 8
_CHECKSUM = 4
_LARGEST_CONFIG = 1_000_000


@dataclass(frozen=True)
class BootableImage:
    """An image that can be booted. ``directory`` is its unpacked root, ``None`` for this machine's own base."""

    directory: Path | None = None
    volumes: tuple[str, ...] = DEFAULT_VOLUMES
    workdir: str = "/golem/work"
    variables: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    """What its requestor must know of it; empty when it is what was asked for."""


def described(root: Path, file: Path) -> BootableImage:
    """The image that is unpacked in ``root``, as the end of its ``.gvmi`` file describes it. Blocking.

    The file is a squashfs, then the checksum of a JSON text, the text (Docker's ContainerConfig), and its length in
    eight digits. :class:`LocalNetError` when it is not.
    """
    try:
        config: dict[str, Any] = json.loads(_description(file))
        volumes = tuple(map(str, config.get("Volumes") or ()))
        variables = dict(str(line).split("=", 1) for line in config.get("Env") or () if "=" in str(line))
        return BootableImage(root, volumes, str(config.get("WorkingDir") or "/"), variables)
    except (ValueError, AttributeError, OSError, RecursionError):
        raise LocalNetError("The image's file ends with no description of it that makes sense.") from None


def _description(file: Path) -> bytes:
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(size - _LENGTH_DIGITS)
        length = int(opened.read(_LENGTH_DIGITS))
        opened.seek(size - _LENGTH_DIGITS - min(max(length, 0), _LARGEST_CONFIG) - _CHECKSUM)
        checksum = int.from_bytes(opened.read(_CHECKSUM), "little")
        text = opened.read(min(max(length, 0), _LARGEST_CONFIG))
    return text if zlib.crc32(text) == checksum else b""
