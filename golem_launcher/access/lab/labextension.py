"""Adds the launcher's own JupyterLab extension, the files of ``lab_page``, to every Lab's page."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

NAME = "golem-launcher"
_FILES = Path(__file__).with_name("lab_page")
_KINDS = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}


def entry() -> dict[str, object]:
    """The extension, as JupyterLab's page names those that it loads. The address changes with what is in its files."""
    return {"name": NAME, "load": f"{_version()}/remote_entry.js", "extension": "./extension", "entrypoints": None}


@functools.cache
def files() -> dict[str, tuple[bytes, bytes]]:
    """The extension's files: kind and content, by the path below the Lab's base, with a slash at its head."""
    place = f"/lab/extensions/{NAME}/{_version()}"
    return {f"{place}/{name}": (_KINDS[Path(name).suffix], data) for name, data in _contents().items()}


@functools.cache
def _contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_FILES.iterdir()) if path.suffix in _KINDS}


@functools.cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, data in _contents().items():
        digest.update(b"%s %d\n%s" % (name.encode(), len(data), data))
    return f"static/{digest.hexdigest()[:20]}"
