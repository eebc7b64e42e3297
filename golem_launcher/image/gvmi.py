"""The .gvmi format: a squashfs followed by a container's settings (CRC, JSON, length).

(Source: ``runtime/src/deploy.rs`` of golemfactory/ya-runtime-vm. A provider refuses a file that ends otherwise.)
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from golem_launcher.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SQUASHFS: Final = b"hsqs"
_REMEDY: Final = "Golem's gvmkit-build makes one of a Docker image, and golem-launcher image build one of its own."
_LENGTH: Final = 8
_CRC: Final = struct.Struct("<I")
_LONGEST: Final = 1024 * 1024
_PIECE: Final = 1024 * 1024


def append(out: IO[bytes], settings: Mapping[str, Any]) -> None:
    """Write the settings (Docker's ``ContainerConfig``) at the end of a squashfs."""
    encoded = json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()
    out.write(_CRC.pack(zlib.crc32(encoded)) + encoded + f"{len(encoded):0{_LENGTH}d}".encode())


def settings(path: Path) -> dict[str, Any]:
    """The settings of an image. Blocking. Raises ``ImageError`` when the file is none, as a provider would."""
    if path.exists() and not path.is_file():
        raise ImageError(f"{path} is no file.", _REMEDY)
    try:
        with path.open("rb") as file:
            if file.read(len(SQUASHFS)) != SQUASHFS:
                raise ImageError(f"{path.name} is no Golem image: it does not begin as a squashfs.", _REMEDY)
            end = file.seek(0, 2)
            file.seek(end - _LENGTH)
            length = int(file.read(_LENGTH))
            if not 0 < length <= min(_LONGEST, end):
                raise ValueError  # noqa: TRY301 - said below, with the others
            file.seek(end - _LENGTH - length - _CRC.size)
            (crc,), encoded = _CRC.unpack(file.read(_CRC.size)), file.read(length)
            value = json.loads(encoded)
            if zlib.crc32(encoded) != crc or not isinstance(value, dict):
                raise ValueError  # noqa: TRY301
    except (OSError, ValueError, struct.error, RecursionError) as error:
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"There is no file {path}.", "Look at its name.") from None
        if isinstance(error, PermissionError):
            raise ImageError(f"{path} may not be read.", "Look at its permissions.") from None
        what = f"{path.name} is no Golem image: the settings at its end are missing or broken."
        raise ImageError(what, f"It may not have been copied to its end: get it again. {_REMEDY}") from None
    return value


def image_hash(path: Path) -> str:
    """The SHA3-224 of a file: what demands and Golem's registry know an image by. Blocking."""
    digest = hashlib.sha3_224()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
