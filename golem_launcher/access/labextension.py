"""Adds labextension.js, the launcher's own JupyterLab extension, to every Lab's page."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

NAME = "golem-launcher"
_SOURCE = Path(__file__).with_suffix(".js")


@functools.cache
def source() -> bytes:
    """The extension's script, as bytes."""
    return _SOURCE.read_bytes()


@functools.cache
def entry() -> dict[str, object]:
    """The extension, as JupyterLab's page names those that it loads. The script's name changes with its content."""
    load = f"static/remoteEntry.{hashlib.sha256(source()).hexdigest()[:20]}.js"
    return {"name": NAME, "load": load, "extension": "./extension", "entrypoints": None}


@functools.cache
def path() -> str:
    """The script's path below the Lab's base, with a slash at its head."""
    return f"/lab/extensions/{NAME}/{entry()['load']}"
