"""Where a page's server keeps its kernels' sockets: gone with it, and with the next page when it was killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.processes import ProcessRecord

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
        os.ftruncate(lock, 0)
        os.write(lock, json.dumps(ProcessRecord.of(os.getpid()).to_json()).encode())
    directory = _directory(held)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        held.unlink(missing_ok=True)
        os.close(lock)


def running() -> dict[str, ProcessRecord]:
    """The pages that `golem-launcher page` serves, by port. Those beside a JupyterLab end with that. Blocking."""
    locks = (paths.home() / "page").glob("run-[0-9]*.lock")
    records = {held.stem.removeprefix("run-"): ProcessRecord.from_json(files.read_json(held)) for held in locks}
    return {port: record for port, record in records.items() if record is not None and record.alive()}


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
