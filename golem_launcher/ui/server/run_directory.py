"""Where a page's server keeps its kernels' sockets: gone with it, and with the next page when it was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from golem_launcher import files, paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SOCKET_NAME = 64
"""Bytes in the name of a kernel's socket (``kernel-<uuid>-ipc-<number>``), and some more."""
_LOCK_SECONDS = 10.0


@contextlib.contextmanager
def run_directory(name: str) -> Iterator[Path]:
    """A directory for the page of that name (its port), for as long as it runs. Blocking."""
    above = paths.private_directory(paths.home() / "page")
    with files.locked(above / "starting.lock", deadline=_LOCK_SECONDS):
        _sweep(above)
        held = above / f"run-{name}.lock"
        lock = os.open(held, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        files.try_lock(lock)  # until the process ends, however it ends
    directory = _directory(held)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        held.unlink(missing_ok=True)
        os.close(lock)


def _sweep(above: Path) -> None:
    for held in above.glob("run-*.lock"):
        lock = os.open(held, os.O_RDWR | os.O_CLOEXEC)
        try:
            if files.try_lock(lock):
                shutil.rmtree(_directory(held), ignore_errors=True)
                held.unlink(missing_ok=True)
        finally:
            os.close(lock)


def _directory(held: Path) -> Path:
    return paths.sockets_directory(held.with_suffix(""), _SOCKET_NAME)
