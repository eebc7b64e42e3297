"""Copies files and folders of a session to this computer: what ``golem-launcher cp`` does in one direction.

A file gets its name when it is whole; what is there already with the same size and time is not copied. The session is a
stranger's: nothing is written through a link that lies below the target, and no name and no link leads out of it. What
some program may run when the folder is opened is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import stat
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, TypeVar

from golem_launcher.agent.workspace import copying
from golem_launcher.agent.workspace.name_escaping import escape, unescape
from golem_launcher.agent.workspace.open_beneath import parent
from golem_launcher.errors import RequestError, WorkspaceError
from golem_launcher.files import DISK_FAULTS
from golem_launcher.units import data_size
from golem_launcher.workspace.repository.autorun_files import could_run, link_could_run
from golem_launcher.workspace.repository.case_conflicts import folded, ignores_case
from golem_launcher.workspace.repository.entry import shown
from golem_launcher.workspace.transfer.copy_queue import (
    CopiedFile,
    CopyQueue,
    CopySegment,
    Cut,
    below,
    wanted,
)
from golem_launcher.workspace.transfer.pipeline import pipeline
from golem_launcher.workspace.transfer.space_limits import spare_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.workspace.transfer.copy_queue import Copied, Progress
    from golem_launcher.workspace.transfer.remote_files import Listing, RemoteEntry, RemoteFiles

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_P = ParamSpec("_P")
_T = TypeVar("_T")
_DOUBLE = "another name is the same on this computer"


async def copy_from_session(
    remote_files: RemoteFiles, source: str, target: Path, progress: Progress, copied: Copied
) -> None:
    """Copy what is at ``source`` in the session, a path as the user has it, to ``target``, which it becomes.

    ``copied`` counts it, as it is done. Raises ``RequestError`` where there is nothing, ``WorkspaceError`` when this
    computer takes no more, and what ``remote_files`` raise.
    """
    source = escape(source)
    found = await remote_files.entries(source)
    if found is None:
        raise RequestError(f"There is nothing at {shown(source)} in the session.")
    copied.left_out |= found.left_out
    place = _place_of(target, found.top)
    top = await asyncio.to_thread(_open_top, place)
    try:
        files = await _to_its_end(_prepare, top, source, target, found, copied)
        queue = CopyQueue(files, copied, progress)
        _check_room(queue, top)
        work = _Download(remote_files, queue, top, partial(_note, place, copied))
        while queue:
            await pipeline(work.have_made, work.bring, work.take)
        await _to_its_end(_link, top, place, found.below, copied)
    finally:
        os.close(top)


class _Download:
    """The three steps of each piece."""

    def __init__(self, remote_files: RemoteFiles, queue: CopyQueue, top: int, landed: Callable[[str], None]) -> None:
        """``landed`` gets the path below ``top`` of each file that is whole, in some thread."""
        self._remote_files = remote_files
        self._queue = queue
        self._top = top
        self._landed = landed

    async def have_made(self) -> Cut | None:
        segments = self._queue.cut(self._remote_files.piece_size)
        return Cut(segments, await self._remote_files.read(wanted(segments))) if segments else None

    async def bring(self, cut: Cut) -> tuple[Cut, Path]:
        return cut, await self._remote_files.bring(cut.piece)

    async def take(self, brought: tuple[Cut, Path]) -> None:
        cut, path = brought
        try:
            await self._remote_files.accept(cut.piece, path)
            faults = await _to_its_end(_write, self._top, path, cut, self._landed)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        for segment, fault in zip(cut.segments, faults, strict=True):
            if segment.file.over:
                continue
            if fault is None:
                self._queue.taken(segment)
                continue
            if fault != copying.GONE:  # else it is another copy's
                await _to_its_end(_forget, self._top, segment.file)
            again = await self._as_it_is(segment.file) if fault in {copying.BUSY, copying.GONE} else None
            self._queue.fail(segment.file, fault, again)
            if again is not None and again.size > segment.file.entry.size:
                _check_room(self._queue, self._top)

    async def _as_it_is(self, file: CopiedFile) -> RemoteEntry | None:
        found = await self._remote_files.entries(file.source, below=False)
        return found.top if found is not None and found.top.kind == "f" else None


def _place_of(target: Path, entry: RemoteEntry) -> Path:
    """The directory below which all is written."""
    return target if entry.kind == "d" else target.parent


def _open_top(place: Path) -> int:
    """The directory, open; it is made when there is none."""
    if place.exists() and not place.is_dir():
        raise RequestError(f"{place} is no directory.")
    place.mkdir(parents=True, exist_ok=True)
    return os.open(place, _DIRECTORY)


def _check_room(queue: CopyQueue, top: int) -> None:
    """Raise ``WorkspaceError`` where there is no room for what is still to be copied, and for all else as well.

    The session's own saves may be on this disk: as much stays free as they leave of it.
    """
    free, spare = shutil.disk_usage(top).free, spare_beside(queue.left)
    if queue.left and queue.left + spare > free:
        raise WorkspaceError(
            f"There is no room for it on the disk here: it takes {data_size(queue.left)}, {data_size(free)} are free, "
            f"and {data_size(spare)} of it stay free for all else.",
            "Free some, or choose another place.",
        )


def _prepare(top: int, source: str, aim: Path, found: Listing, copied: Copied) -> list[CopiedFile]:
    """Make the directories; the files that are to be copied, as far as they are not there yet."""
    files = []
    place = _place_of(aim, found.top)
    doubles = _doubles(place, found)
    copied.left_out |= {shown(path): _DOUBLE for path in doubles}
    for entry in (found.top, *found.below):
        if entry.path in doubles:
            continue
        target = unescape(entry.path) or aim.name
        if entry.kind == "d" and entry.path:
            with (
                _telling(entry.path, copied),
                parent(top, target) as (above, last),
                contextlib.suppress(FileExistsError),
            ):
                os.mkdir(last, entry.mode | 0o700, dir_fd=above)
        elif entry.kind == "f":
            file = CopiedFile(below(source, entry.path), target, entry)
            with contextlib.suppress(OSError), parent(top, target) as (above, last):
                if _same(above, last, entry):
                    copied.unchanged += 1
                    _note(place, copied, target)
                    continue
                status = os.stat(copying.unfinished(file.tag), dir_fd=above, follow_symlinks=False)
                file.go_on(status.st_size, status.st_mtime_ns)
            files.append(file)
    return files


def _doubles(place: Path, found: Listing) -> set[str]:
    """Paths that are one with another's on this computer: the later would be written over the earlier."""
    names: set[str] = set()
    plain = [each for each in found.below if each.kind != "d"]
    doubles = set()
    for each in plain:
        one = folded(unescape(each.path))
        if one in names:
            doubles.add(each.path)
        names.add(one)
    return doubles if doubles and ignores_case(place) else set()


def _same(above: int, name: str, entry: RemoteEntry) -> bool:
    """Whether a file is there that has this size and time."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
    return False


async def _to_its_end(work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """What comes of ``work`` in a thread. Who is cancelled waits for it: the directory that it uses is closed then."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(working)
    finally:
        await asyncio.wait([working])


def _write(top: int, path: Path, cut: Cut, landed: Callable[[str], None]) -> list[str | None]:
    """Write the segments of a piece that was brought; why one could not be written, for each."""
    faults: list[str | None] = []
    with path.open("rb") as piece:
        for segment, unread in zip(cut.segments, cut.piece.faults, strict=True):
            fault = unread
            if unread is None:
                begins = piece.tell()
                if not segment.file.over:
                    fault = _written(top, piece, segment, landed)
                piece.seek(begins + segment.length)
            faults.append(fault)
    return faults


def _written(top: int, piece: BinaryIO, segment: CopySegment, landed: Callable[[str], None]) -> str | None:
    file, entry = segment.file, segment.file.entry
    growing = copying.unfinished(file.tag)
    try:
        with (
            parent(top, file.target, make=True) as (above, name),
            copying.opened_to_grow(growing, segment.offset, entry.mode | 0o600, above) as target,
        ):
            copying.copy(piece, target, segment.length)
            target.flush()
            with contextlib.suppress(OSError, OverflowError):  # a date that this file system can't have
                os.utime(target.fileno(), ns=(entry.mtime_ns, entry.mtime_ns))
            if segment.is_last:
                os.fsync(target.fileno())
                os.rename(growing, name, src_dir_fd=above, dst_dir_fd=above)
                landed(file.target)
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise WorkspaceError(f"The files could not be written: {error.strerror or error}.") from error
        return error.strerror or str(error)
    return None


def _forget(top: int, file: CopiedFile) -> None:
    """Remove what is there of a file that could not be copied: no later copy would go on with it."""
    with contextlib.suppress(OSError), parent(top, file.target) as (above, _):
        os.unlink(copying.unfinished(file.tag), dir_fd=above)


def _link(top: int, place: Path, entries: list[RemoteEntry], copied: Copied) -> None:
    """Make the links, when all else is there: nothing is ever written through one."""
    for each in entries:
        if each.kind != "l" or shown(each.path) in copied.left_out:
            continue
        path, target = unescape(each.path), unescape(each.target)
        if not _stays_within(path, target):
            copied.left_out[shown(each.path)] = "it may lead out of what is copied"
            continue
        with _telling(each.path, copied), parent(top, path, make=True) as (above, name):
            made = copying.unfinished(secrets.token_hex(8))
            os.symlink(target, made, dir_fd=above)
            try:
                os.rename(made, name, src_dir_fd=above, dst_dir_fd=above)  # what was there stays until then
            except OSError:
                os.unlink(made, dir_fd=above)
                raise
            _note(place, copied, path, judge=link_could_run)


def _stays_within(path: str, target: str) -> bool:
    """Whether a link leads to below the top, also when other links come to lie there in later copies.

    Its ``..`` all stand in front, so they climb directories, of which there are as many as its path says. Behind the
    name of what may be a link they would climb from somewhere else.
    """
    parts = target.split("/")
    climbs = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return not target.startswith("/") and ".." not in parts[climbs:] and climbs <= path.count("/")


def _note(place: Path, copied: Copied, path: str, judge: Callable[[str], bool] = could_run) -> None:
    """Name what some program may run that is there now."""
    here = str(place / path)
    if judge(here):
        copied.could_run.append(here)


@contextlib.contextmanager
def _telling(path: str, copied: Copied) -> Iterator[None]:
    """What goes wrong with one entry is told, and costs no other."""
    try:
        yield
    except OSError as error:
        copied.left_out[shown(path)] = error.strerror or str(error)
