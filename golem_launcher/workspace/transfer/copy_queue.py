"""What is still to be copied between this computer and a session, cut into pieces; and what became of it.

A file that is not whole yet lies beside its place, under a name of its own, with the time of its source: interrupted
copies go on where they were, as long as the source has that time. A file that changes while it is copied is begun
anew, and given up when it does so again and again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.entry import shown
from golem_launcher.workspace.transfer.remote_files import MOST_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.workspace.transfer.remote_files import Piece, RemoteEntry

    Progress = Callable[[int, int], None]
    """Called with bytes done and in all."""

_TRIES = 4


@dataclass
class Copied:
    """What copies did, by the time that one looks: those that fail did something as well."""

    files: int = 0
    bytes: int = 0
    """That were moved."""
    unchanged: int = 0
    """Files that were there already."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What was not copied, and why; the names as they may be shown."""
    could_run: list[str] = field(default_factory=list)
    """Files of the session that some program may run when the folder is opened: paths of this computer, as they are."""


@dataclass
class CopiedFile:
    """One file of a copy, and how much of it has been cut into pieces and written."""

    source: str
    """Its path over there, or here."""
    target: str
    entry: RemoteEntry
    """As it was when it was looked at."""
    at: int = 0
    """Bytes that are cut into pieces, or were there from an earlier time."""
    written: int = 0
    tries: int = 1
    over: bool = False
    """It was given up, or is begun anew: what still comes of it is of no use."""

    @property
    def tag(self) -> str:
        """What stands for it in the name of what is not whole: for this source as it is, in this place."""
        named = "\0".join((self.target, self.source, str(self.entry.size), str(self.entry.mtime_ns)))
        return hashlib.sha256(named.encode(errors="surrogatepass")).hexdigest()[:24]

    def go_on(self, size: int, mtime_ns: int) -> None:
        """Begin where an earlier copy was interrupted that brought ``size`` bytes of a file of that time."""
        if mtime_ns == self.entry.mtime_ns and size <= self.entry.size:
            self.at = self.written = size


@dataclass(frozen=True)
class CopySegment:
    """A part of a file, which goes in one piece."""

    file: CopiedFile
    offset: int
    length: int

    @property
    def is_last(self) -> bool:
        """Whether the file is whole with it."""
        return self.offset + self.length == self.file.entry.size


class CopyQueue:
    """The files that are still to be cut into pieces."""

    def __init__(self, files: list[CopiedFile], copied: Copied, progress: Progress) -> None:
        self._files = deque(files)
        self._copied = copied
        self._progress = progress
        self._total = sum(each.entry.size for each in files)
        self._done = sum(each.written for each in files)
        progress(self._done, self._total)

    def __bool__(self) -> bool:
        return bool(self._files)

    @property
    def left(self) -> int:
        """How many bytes are still to be copied."""
        return self._total - self._done

    def cut(self, size: int) -> list[CopySegment]:
        """The segments of the next piece, of at most so many bytes."""
        found: list[CopySegment] = []
        while self._files and size >= 0 and len(found) < MOST_SEGMENTS:
            file = self._files[0]
            if file.over:
                self._files.popleft()
                continue
            length = min(size, file.entry.size - file.at)
            if not length and file.entry.size > file.at:
                break
            found.append(CopySegment(file, file.at, length))
            file.at += length
            size -= length
            if file.at == file.entry.size:
                self._files.popleft()
        return found

    def taken(self, segment: CopySegment) -> None:
        """Called when a segment has arrived and is written: counts it, and reports how far the copy is."""
        segment.file.written += segment.length
        self._done += segment.length
        self._copied.bytes += segment.length
        self._copied.files += segment.is_last
        self._progress(self._done, self._total)

    def fail(self, file: CopiedFile, why: str, anew: RemoteEntry | None = None) -> None:
        """It could not be copied; begin it ``anew``, as it is now, unless that was tried often enough."""
        if file.over:
            return
        file.over = True
        self._done -= file.written
        if anew is not None and file.tries < _TRIES:
            self._total += anew.size - file.entry.size
            self._files.append(CopiedFile(file.source, file.target, anew, tries=file.tries + 1))
        else:
            self._total -= file.entry.size
            self._copied.left_out[shown(file.source)] = why


@dataclass(frozen=True)
class Cut:
    """Segments, and the piece that holds them."""

    segments: list[CopySegment]
    piece: Piece


def wanted(segments: list[CopySegment]) -> list[tuple[str, int, int, str]]:
    """The segments as who fills a piece is told of them."""
    return [(each.file.source, each.offset, each.length, each.file.entry.stamp) for each in segments]


def below(top: str, path: str) -> str:
    """The path of what lies below another; that itself where it is empty."""
    if not path or top in {"", "."}:
        return path or top
    return f"{top.rstrip('/')}/{path}"
