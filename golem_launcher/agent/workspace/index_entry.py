"""The index's record of one file, directory or link."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from .name_escaping import escape

if TYPE_CHECKING:
    import os

    from .chunker import Cuts

Stamp = tuple[int, ...]
_SOME = 500


class IndexEntry:
    """One file, directory or link."""

    __slots__ = ("cuts", "kind", "seen", "size", "stamp", "target", "version")

    def __init__(self, kind: str, stamp: Stamp, version: int) -> None:
        self.kind = kind
        self.stamp = stamp
        """Mode, mtime, ctime, inode, size; empty: not to be relied on."""
        self.version = version
        """The walk that found it changed."""
        self.seen = version
        self.cuts: Cuts | None = None
        self.target = ""
        self.size = 0


class ChunkLocation(NamedTuple):
    """Where the bytes of a chunk are."""

    path: str
    offset: int
    size: int


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells whether a file or link is another than before."""
    return (
        stat.S_IMODE(status.st_mode),
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_size,
        stat.S_IFMT(status.st_mode),
    )


def line_of(path: str, entry: IndexEntry) -> list[Any]:
    """The entry as a line of the answer to ``/changes``."""
    mode, mtime = entry.stamp[:2]
    path = escape(path)
    if entry.kind == "f" and entry.cuts is not None:
        line = ["f", path, mode, mtime, entry.size, _together(entry.cuts.hexes)]
        return [*line, [list(hole) for hole in entry.cuts.holes]] if entry.cuts.holes else line
    return ["l", path, mode, mtime, escape(entry.target)] if entry.kind == "l" else ["d", path, mode, mtime]


def _together(ids: list[str]) -> list[str]:
    """Chunk ids as they are sent: one by one or, if very many, several in one string: less memory for the reader."""
    return ids if len(ids) <= _SOME else ["".join(ids[at : at + _SOME]) for at in range(0, len(ids), _SOME)]
