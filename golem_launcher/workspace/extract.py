"""Writes a generation into a directory. Nothing is written outside it, whatever its links say."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.apart import apart, ignores_case
from golem_launcher.workspace.environment import package_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.workspace.manifest import Entry, Manifest
    from golem_launcher.workspace.store import Store

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def extract(
    store: Store,
    manifest: Manifest,
    directory: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, str]:
    """Write all of ``manifest`` into ``directory``, which is made when it is not there and must be empty.

    The lists of its packages lie beside its files. ``progress`` is called with bytes done and in all. Where names that
    differ in case alone are one, the second gets another: those are the answer. Raises ``WorkspaceError``; what was
    written so far stays.
    """
    try:
        if directory.exists() and not directory.is_dir():
            raise WorkspaceError(f"{directory} is no directory.", "Name a new one.")
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise WorkspaceError(f"{directory} is not empty.", "Name a new directory: nothing is written over.")
        names = apart(entry.path for entry in manifest.entries) if ignores_case(directory) else {}
        entries = [replace(entry, path=names.get(entry.path, entry.path)) for entry in manifest.entries]
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _write(store, entries, top, lambda done: progress(done, manifest.size))
            for name, lines in package_lists(manifest.environment, [entry.path for entry in entries]).items():
                with os.fdopen(os.open(name, _CREATE, 0o644, dir_fd=top), "wb") as file:
                    file.write(lines)
        finally:
            os.close(top)
    except OSError as error:
        raise WorkspaceError(f"The workspace could not be written: {error.strerror or error}.") from error
    return names


def _write(store: Store, entries: list[Entry], top: int, progress: Callable[[int], None]) -> None:
    done = 0
    for entry in entries:
        if entry.kind == "directory":
            with _parent(top, f"{entry.path}/x", make=True):
                pass
    for entry in entries:
        if entry.kind == "file":
            _write_file(store, entry, top)
            done += entry.size
            progress(done)
    for entry in entries:  # after the files: nothing is ever written through a link
        if entry.kind == "link":
            with _parent(top, entry.path, make=True) as parent:
                os.symlink(entry.target, entry.path.rpartition("/")[2], dir_fd=parent)
    for entry in reversed(entries):  # the deepest first: writing into a directory changes its time
        if entry.kind == "directory":
            with _parent(top, f"{entry.path}/x", make=False) as own:
                os.fchmod(own, entry.mode | 0o700)
                os.utime(own, ns=(entry.mtime_ns, entry.mtime_ns))


def _write_file(store: Store, entry: Entry, top: int) -> None:
    with _parent(top, entry.path, make=True) as parent:
        descriptor = os.open(entry.path.rpartition("/")[2], _CREATE, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in entry.chunks:
            file.write(store.get_chunk(chunk))
        file.flush()
        if file.tell() != entry.size:
            raise WorkspaceError(f"{entry.path} has another size than it was saved with.")
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))


@contextlib.contextmanager
def _parent(top: int, path: str, *, make: bool) -> Iterator[int]:
    """The directory that holds ``path``, opened part by part so that no link is followed."""
    descriptor = os.dup(top)
    try:
        for part in path.split("/")[:-1]:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            below = os.open(part, _OPEN_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)
