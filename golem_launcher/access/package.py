"""The agent as one file, as it is sent into a provider."""

from __future__ import annotations

import functools
import io
import zipfile
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Traversable

PACKAGE = "golem_launcher_agent"
"""The agent's name on the other side, where nothing else of ours is."""

_MAIN = f"from {PACKAGE}.main import main\n\nmain()\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR = 0o100644 << 16


@functools.cache
def agent_archive() -> bytes:
    """A zip application: the same bytes from the same sources, whoever builds it and when."""
    source = resources.files("golem_launcher.agent")
    files = {f"{PACKAGE}/{entry.name}": entry.read_bytes() for entry in _modules(source)}
    files["__main__.py"] = _MAIN.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = _REGULAR
            info.create_system = 3  # Unix, wherever it is built
            archive.writestr(info, files[name], zipfile.ZIP_STORED)  # zlib's bytes differ from build to build
    return buffer.getvalue()


def _modules(folder: Traversable) -> list[Traversable]:
    return [entry for entry in folder.iterdir() if entry.name.endswith(".py")]
