"""Copies files and folders of this computer to a session: what ``golem-launcher cp`` does in the other direction.

A file gets its name when it is whole; what is there already with the same size and time is not copied.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.agent.workspace import copying
from golem_launcher.agent.workspace.name_escaping import escape, unescape
from golem_launcher.errors import RequestError
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
from golem_launcher.workspace.transfer.remote_files import MOST_SEGMENTS, Listing, Piece, RemoteEntry, listing

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.workspace.transfer.copy_queue import Copied, Progress
    from golem_launcher.workspace.transfer.remote_files import RemoteFiles


async def copy_to_session(
    remote_files: RemoteFiles, source: Path, target: str, progress: Progress, copied: Copied
) -> None:
    """Copy a file or folder of this computer to ``target`` in the session, a path as the user has it.

    ``copied`` counts it, as it is done. Raises ``RequestError`` where there is nothing, and what ``remote_files``
    raise.
    """
    target = escape(target)
    found = await asyncio.to_thread(lambda: listing(copying.entries(str(source))))
    if found is None:
        raise RequestError(f"There is nothing at {source}.")
    copied.left_out |= found.left_out
    files = await _to_send(remote_files, source, target, found, copied)
    directories = [(below(target, each.path), each.mode) for each in (found.top, *found.below) if each.kind == "d"]
    for at in range(0, len(directories), MOST_SEGMENTS):
        copied.left_out |= await remote_files.make(directories[at : at + MOST_SEGMENTS], [])
    queue = CopyQueue(files, copied, progress)
    work = _Upload(remote_files, queue)
    while queue:
        await pipeline(work.make, work.send, work.have_taken)
    links = [(below(target, each.path), each.target) for each in found.below if each.kind == "l"]
    for at in range(0, len(links), MOST_SEGMENTS):
        copied.left_out |= await remote_files.make([], links[at : at + MOST_SEGMENTS])


class _Upload:
    """The three steps of each piece."""

    def __init__(self, remote_files: RemoteFiles, queue: CopyQueue) -> None:
        self._remote_files = remote_files
        self._queue = queue

    async def make(self) -> tuple[Cut, Path] | None:
        segments = self._queue.cut(self._remote_files.piece_size)
        if not segments:
            return None
        path = self._remote_files.new_piece()
        size, sha256, faults = await asyncio.to_thread(copying.fill, str(path), wanted(segments))
        return Cut(segments, Piece(path.name, size, sha256, faults)), path

    async def send(self, made: tuple[Cut, Path]) -> Cut:
        cut, path = made
        try:
            await self._remote_files.send(path, cut.piece.size)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return cut

    async def have_taken(self, cut: Cut) -> None:
        held = [each for each, fault in zip(cut.segments, cut.piece.faults, strict=True) if fault is None]
        faults = iter(await self._remote_files.write(cut.piece.name, cut.piece.sha256, [_part(each) for each in held]))
        for segment, unread in zip(cut.segments, cut.piece.faults, strict=True):
            fault = unread or next(faults)
            if fault is None:
                self._queue.taken(segment)
            elif not segment.file.over:
                if fault != copying.GONE:  # else it is another copy's
                    await self._remote_files.forget(segment.file.target, segment.file.tag)
                again = (
                    await asyncio.to_thread(_look, segment.file.source)
                    if fault in {copying.BUSY, copying.GONE}
                    else None
                )
                self._queue.fail(segment.file, fault, again)


async def _to_send(
    remote_files: RemoteFiles, source: Path, target: str, found: Listing, copied: Copied
) -> list[CopiedFile]:
    """The files that are to be sent, as far as they are not there yet."""
    there = await remote_files.entries(target)
    if there is not None and there.top.kind != found.top.kind:
        raise RequestError(f"{shown(target)} is {'a folder' if there.top.kind == 'd' else 'no folder'} in the session.")
    standing = {each.path: (each.size, each.mtime_ns) for each in (there.top, *there.below)} if there else {}
    files = []
    for entry in (found.top, *found.below):
        if entry.kind == "f" and standing.get(entry.path) == (entry.size, entry.mtime_ns):
            copied.unchanged += 1
        elif entry.kind == "f":
            here = str(source / unescape(entry.path)) if entry.path else str(source)
            file = CopiedFile(here, below(target, entry.path), entry)
            unfinished = await _unfinished(remote_files, file, there)
            if unfinished is not None:
                file.go_on(unfinished.size, unfinished.mtime_ns)
            files.append(file)
    return files


async def _unfinished(remote_files: RemoteFiles, file: CopiedFile, there: Listing | None) -> RemoteEntry | None:
    """What an earlier copy of this file left when it was interrupted."""
    above, slash, _ = (file.entry.path or file.target).rpartition("/")
    path = above + slash + copying.unfinished(file.tag)
    if file.entry.path:
        return there.unfinished.get(path) if there is not None else None
    found = await remote_files.entries(path, below=False)
    return found.top if found is not None else None


def _part(segment: CopySegment) -> copying.Part:
    file, entry = segment.file, segment.file.entry
    return copying.Part(file.target, segment.offset, segment.length, entry.size, entry.mtime_ns, entry.mode, file.tag)


def _look(path: str) -> RemoteEntry | None:
    """A file as it is now."""
    found = listing(copying.entries(path, below=False))
    return found.top if found is not None and found.top.kind == "f" else None
