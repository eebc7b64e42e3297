"""Packs the agent into one file that is sent to the provider."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import io
import marshal
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path

_PACKAGE = "golem_launcher_agent"
_SOURCES = Path(__file__).parent.parent / "agent"
_BROUGHT = Path(__file__).parent.parent / "cluster.py"
"""What notebooks can import over there, see ``agent/lab.py``."""
_MAIN = f"""\
import gc

gc.disable()
from {_PACKAGE}.main import main

main()
"""
"""No garbage is looked for while the agent is loaded: that takes a sixth of the time. ``agent/process_manager.py`` has
it looked for again."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can hold: equal sources make equal bytes
_SMALLEST = 9  # of zlib's levels: a few milliseconds more, for what every start sends
_UNCHECKED = (1).to_bytes(4, "little")
"""Of bytecode (PEP 552): its source is not looked at again."""


@functools.cache
def agent_archive() -> bytes:
    """A zip application for ``python3``, the same bytes for the same sources. Blocking, a few milliseconds."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for source in sorted(_SOURCES.rglob("*.py")):
            _add(archive, _name(source), source.read_bytes())
        _add(archive, f"{_PACKAGE}/brought/{_BROUGHT.name}", _BROUGHT.read_bytes())
    return target.getvalue()


@functools.cache
def compiled_agent_archive() -> bytes:
    """The same with its bytecode, for an image that has this very Python, on this computer. Blocking, likewise.

    It is five times as large, and a start takes a fifth less of a processor. Another Python takes the sources: it
    passes over bytecode that is not its own.
    """
    target = io.BytesIO(agent_archive())
    with zipfile.ZipFile(target, "a") as archive:
        for source in sorted(_SOURCES.rglob("*.py")):
            _add(archive, f"{_name(source)}c", _bytecode(source), zipfile.ZIP_STORED)  # it travels no way
    return target.getvalue()


def _name(source: Path) -> str:
    return f"{_PACKAGE}/{source.relative_to(_SOURCES).as_posix()}"


def _bytecode(source: Path) -> bytes:
    """As a ``.pyc`` has it; of what was compiled when the launcher was installed, where it was."""
    code = SourceFileLoader(source.stem, str(source)).get_code(source.stem)
    return b"".join(
        (importlib.util.MAGIC_NUMBER, _UNCHECKED, importlib.util.source_hash(source.read_bytes()), marshal.dumps(code))
    )


@functools.cache
def spare_pip() -> bytes:
    """pip, as a zip file that a Python can run, for an image that has none; empty when this Python has none either.

    Without its metadata: an image that has it installed would take it for its own and not bring one.

    Blocking, half a second the first time.
    """
    try:
        files = importlib.metadata.files("pip") or []
    except importlib.metadata.PackageNotFoundError:
        return b""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if file.parts[0] == "pip" and file.suffix not in {".pyc", ".exe"}:
                _add(archive, file.as_posix(), file.read_binary())
    return target.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, kind: int = zipfile.ZIP_DEFLATED) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = kind
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, data, compresslevel=_SMALLEST)
