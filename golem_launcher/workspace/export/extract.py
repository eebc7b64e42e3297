"""Extracts a generation into a directory. Follows no link; each file is written whole or not at all.

All is written into a directory beside, within the one that is asked for, and moved out of it when it is whole and on
disk: what an interrupted restore leaves is taken for nobody's file, and removed by a later command (partial_files.py),
or by the next restore there, on whichever computer.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from golem_launcher import files
from golem_launcher.agent.workspace.name_escaping import unescape
from golem_launcher.agent.workspace.open_beneath import directory as opened_directory
from golem_launcher.agent.workspace.open_beneath import parent
from golem_launcher.errors import WorkspaceError
from golem_launcher.partial_files import partial_directory_of
from golem_launcher.workspace.export.file_content import LOST, pieces
from golem_launcher.workspace.export.kernel_states import kernel_states, without_kernel_states
from golem_launcher.workspace.export.read_ahead import ReadAhead
from golem_launcher.workspace.repository import symlinks
from golem_launcher.workspace.repository.case_conflicts import distinct_names, folded, ignores_case
from golem_launcher.workspace.repository.entry import shown
from golem_launcher.workspace.repository.package_lists import package_lists
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.workspace.repository.entry import Entry
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNFINISHED = "golem-launcher-unfinished"


@dataclass
class Extracted:
    """What a restore wrote."""

    files: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    """Names that would be one with others', and what they are here."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What could not be written, and why."""
    damaged: list[str] = field(default_factory=list)
    """Those of them that are lost in the store."""
    entries: list[Entry] = field(default_factory=list)
    """All that there was to write, by the names it has here."""


def extract(
    store: Store,
    manifest: Manifest,
    directory: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Extracted:
    """Write all of ``manifest`` into ``directory``, which is made when it is not there and must be empty.

    The lists of its packages lie beside its files. ``progress`` is called with bytes done and in all. Where names that
    differ in case alone are one, the second gets another. Raises ``WorkspaceError`` when nothing more can be written,
    or nothing of it be read; what a file of the store alone can't give is told in the answer.
    """
    made = False
    try:
        if directory.exists() and not directory.is_dir():
            raise WorkspaceError(f"{directory} is no directory.", "Name a new one.")
        made = not directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            found = _extracted(store, manifest, directory, progress)
    except OSError as error:
        raise WorkspaceError(f"The workspace could not be written: {error.strerror or error}.") from error
    finally:
        if made:
            with contextlib.suppress(OSError):  # it stays when there is something in it
                directory.rmdir()
    return found


def _extracted(store: Store, manifest: Manifest, directory: Path, progress: Callable[[int, int], None]) -> Extracted:
    _clear(directory)
    if any(directory.iterdir()):
        raise WorkspaceError(f"{directory} is not empty.", "Name a new directory: nothing is written over.")
    with partial_directory_of(directory / _UNFINISHED) as unfinished:
        found = _written(store, manifest, unfinished, progress)
        modes = {unescape(each.path): each.mode for each in found.entries if each.kind == "directory"}
        os.sync()  # one for all: each for itself takes minutes where there are thousands
        restored = sorted(unfinished.iterdir())
        if there := [each.name for each in restored if os.path.lexists(directory / each.name)]:
            raise WorkspaceError(
                f"{shown(there[0])} has come to {directory} meanwhile.",
                "Name a new directory: nothing is written over.",
            )
        for each in restored:
            os.rename(each, directory / each.name)  # noqa: PTH104 - a link stays one
            if each.name in modes:  # now, for who may not write to a directory may not move it
                os.chmod(directory / each.name, modes[each.name])  # noqa: PTH101
        files.sync_directory(directory)
    return found


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Of two restores into one directory at once, one would take the other's for an interrupted one's."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # there are file systems on which a directory can't be locked
            if not files.try_lock(descriptor):
                raise WorkspaceError(f"Another restore writes to {directory}.", "Name a new directory.")
        yield
    finally:
        os.close(descriptor)


def _written(store: Store, manifest: Manifest, target: Path, progress: Callable[[int, int], None]) -> Extracted:
    one = folded if ignores_case(target) else str
    names = distinct_names(entry.path for entry in manifest.entries) if one is folded else {}
    theirs = without_kernel_states(manifest.entries)
    entries = [replace(entry, path=names.get(entry.path, entry.path)) for entry in theirs]
    found = Extracted(renamed=names, entries=entries)
    found.left_out |= symlinks.leading_out(((each.path, each.target) for each in entries if each.kind == "link"), one)
    top = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = manifest.size - kernel_states(manifest.entries)[1]
        _write(store, entries, top, found, lambda done: progress(done, size))
        if found.damaged and not found.files:
            raise WorkspaceError(
                f"No file of save {manifest.generation} of '{manifest.workspace}' can be read.",
                f"golem-launcher verify {manifest.workspace}",
            )
        for name, lines in package_lists(manifest.environment, [entry.path for entry in entries]).items():
            with os.fdopen(os.open(name, _CREATE, 0o644, dir_fd=top), "wb") as file:
                file.write(lines)
    finally:
        os.close(top)
    return found


def _write(store: Store, entries: list[Entry], top: int, found: Extracted, progress: Callable[[int], None]) -> None:
    done = 0
    for entry in entries:
        if entry.kind == "directory":
            with _telling(entry, found), opened_directory(top, unescape(entry.path), make=True):
                pass
    in_order = [entry for entry in entries if entry.kind == "file"]
    with ReadAhead(store, (chunk for entry in in_order for chunk in entry.chunks)) as chunks:
        for entry in in_order:
            with _telling(entry, found):
                _write_file(chunks, entry, top)
                found.files += 1
            done += entry.data
            progress(done)
    for entry in entries:  # after the files: nothing is ever written through a link
        if entry.kind == "link" and entry.path not in found.left_out:
            with _telling(entry, found), parent(top, unescape(entry.path), make=True) as (above, name):
                os.symlink(unescape(entry.target), name, dir_fd=above)
    for entry in reversed(entries):  # the deepest first: writing into a directory changes its time
        if entry.kind == "directory" and entry.path not in found.left_out:
            with contextlib.suppress(OSError), opened_directory(top, unescape(entry.path)) as opened:
                _date(opened, entry)
                if "/" in entry.path:
                    os.fchmod(opened, entry.mode)


@contextlib.contextmanager
def _telling(entry: Entry, found: Extracted) -> Iterator[None]:
    """What goes wrong with one entry is told, and costs no other; but a full disk costs all."""
    try:
        yield
    except DamagedObject:
        found.left_out[entry.path] = LOST
        found.damaged.append(entry.path)
    except OSError as error:
        if error.errno in files.DISK_FAULTS:
            raise
        found.left_out[entry.path] = f"this computer refuses it: {error.strerror or error}"


def _write_file(chunks: ReadAhead, entry: Entry, top: int) -> None:
    with parent(top, unescape(entry.path), make=True) as (above, name):
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=above)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces(entry, chunks.get_chunk):
                    if isinstance(piece, int):
                        file.seek(piece, os.SEEK_CUR)
                    else:
                        file.write(piece)
                file.truncate()
                _date(descriptor, entry)
                os.fchmod(descriptor, entry.mode)
        except BaseException:
            os.unlink(name, dir_fd=above)
            raise


def _date(descriptor: int, entry: Entry) -> None:
    with contextlib.suppress(OSError, OverflowError):  # a date that this file system can't have
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))


def _clear(directory: Path) -> None:
    """Remove what a restore left that was interrupted."""
    for each in directory.iterdir():
        if each.name.startswith(f".{_UNFINISHED}.") and stat.S_ISDIR(each.lstat().st_mode):
            files.remove_tree(each)
