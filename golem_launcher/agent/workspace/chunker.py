"""Content-defined chunking: an insertion moves no cut behind it.

A rolling hash in Python does 3 MiB/s. Here every byte becomes one of two letters (``bytes.translate``), and of all
runs of one letter within a window the longest is looked for with ``bytes.find``, whose needle grows with each run
found: one pass over the window in C. The cut is behind the longest run; where several are of that length, as in prose,
the checksum of the bytes around them decides. 240 MiB/s of a core, hash excluded; a chunk has 100 KB on average for
noise, numbers, text and notebooks alike: with smaller ones an edit costs less, and the list of them more.

The launcher imports this module, too: files that a user sends along are cut the same way.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import time
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

LEAST = 48 * 1024
MOST = 144 * 1024
"""Bytes of a chunk; the last of a file may be smaller."""
ID_BYTES = 32
_BLOCK = 2 * 1024 * 1024
_FEWEST_AHEAD, _MOST_AHEAD = 2, 16
"""Chunks of before that are looked at together: more, as long as they are still in their places."""
_MOST_TIES = 256
_FIRST_RUN = 4
_BEFORE, _BEHIND = 40, 24
LEAST_HOLE = 1024 * 1024
"""A smaller hole is read as the zeros that it is."""
MOST_HOLES = 20_000
Hole = tuple[int, int]
"""Where it begins and how long it is."""


def _letters() -> bytes:
    halves = [0, 1] * 128
    random.Random(7).shuffle(halves)  # noqa: S311 - any fixed choice will do; the same everywhere
    return bytes(halves)


_LETTERS = _letters()
_RUN = b"\1" * MOST


def chunk_id(data: bytes | memoryview) -> bytes:
    """What a chunk is called: the SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


def cut(letters: bytes, data: bytes, start: int, end: int) -> int:
    """Where the chunk that begins at ``start`` ends; ``data`` up to ``end`` is known."""
    stop = min(start + MOST, end)
    position = start + LEAST
    best, longest, score, ties = stop, _FIRST_RUN, -1, 0
    needle = _RUN[:longest]
    while position < stop:
        at = letters.find(needle, position, stop)
        if at < 0:
            break
        behind = letters.find(b"\0", at + longest, stop)
        if behind < 0:
            behind = stop
        run = behind - at
        if run > longest:
            best, longest, ties = behind, run, 0
            score = crc32(data[behind - _BEFORE : behind + _BEHIND])
            needle = _RUN[:longest]
        elif ties < _MOST_TIES:
            ties += 1
            checksum = crc32(data[behind - _BEFORE : behind + _BEHIND])
            if checksum > score:
                best, score = behind, checksum
        else:
            longest += 1
            needle = _RUN[:longest]
        position = behind
    return best


class Cuts:
    """The chunks of one file: their ids, one behind the other, and their sizes; and the holes between them."""

    __slots__ = ("holes", "ids", "sizes")

    def __init__(self, ids: bytes = b"", sizes: tuple[int, ...] = (), holes: tuple[Hole, ...] = ()) -> None:
        self.ids = ids
        self.sizes = sizes
        self.holes = holes

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Id and size of each."""
        for number, size in enumerate(self.sizes):
            yield self.ids[number * ID_BYTES : (number + 1) * ID_BYTES], size

    @property
    def data(self) -> int:
        """Bytes of all chunks."""
        return sum(self.sizes)

    @property
    def size(self) -> int:
        """Bytes of the file, holes included."""
        return self.data + sum(length for _, length in self.holes)

    @property
    def hexes(self) -> list[str]:
        """The ids as the manifest has them."""
        digits = self.ids.hex()
        return [digits[at : at + 2 * ID_BYTES] for at in range(0, len(digits), 2 * ID_BYTES)]

    def places(self) -> Iterator[tuple[int, bytes, int]]:
        """Offset, id and size of each chunk."""
        offset, holes = 0, iter((*self.holes, (-1, 0)))
        hole, length = next(holes)
        for chunk, size in self:
            while offset == hole:
                offset += length
                hole, length = next(holes)
            yield offset, chunk, size
            offset += size


def find_holes(descriptor: int, size: int) -> tuple[Hole, ...]:
    """The holes of an open file that are worth it, in order: places that nobody wrote to, which take no disk."""
    found: list[Hole] = []
    if size - os.fstat(descriptor).st_blocks * 512 < LEAST_HOLE or not hasattr(os, "SEEK_HOLE"):
        return ()
    at = 0
    with contextlib.suppress(OSError):  # a file system that can't tell has none
        while len(found) < MOST_HOLES:
            hole = os.lseek(descriptor, at, os.SEEK_HOLE)
            if hole >= size:
                break
            try:
                at = min(os.lseek(descriptor, hole, os.SEEK_DATA), size)
            except OSError:  # no data behind it
                at = size
            if at - hole >= LEAST_HOLE:
                found.append((hole, at - hole))
            if at >= size:
                break
    return tuple(found)


def cut_open(
    descriptor: int, size: int, before: Cuts | None = None, done: Cuts | None = None, until: float | None = None
) -> tuple[Cuts, bool]:
    """Cut an open file of ``size`` bytes, holes skipped; and whether that is all of it.

    ``before``: as for :func:`cut_file`. ``done``: the beginning, which was cut before. When it is later than ``until``
    (of the monotonic clock), what was cut so far is the answer.
    """
    ids, sizes = [done.ids if done else b""], [*done.sizes] if done else []
    holes: list[Hole] = []
    reached = done.size if done else 0
    at = 0
    for hole, length in (*find_holes(descriptor, size), (size, 0)):
        start = max(at, reached)
        if hole > start:
            os.lseek(descriptor, start, os.SEEK_SET)
            part = cut_file(lambda most: os.read(descriptor, most), hole - start, before, start, until)
            ids.append(part.ids)
            sizes += part.sizes
            if part.data < hole - start:
                return Cuts(b"".join(ids), tuple(sizes), tuple(holes)), False
        if length:
            holes.append((hole, length))
        at = hole + length
    return Cuts(b"".join(ids), tuple(sizes), tuple(holes)), True


def cut_file(
    read: Callable[[int], bytes], size: int, before: Cuts | None = None, start: int = 0, until: float | None = None
) -> Cuts:
    """Cut what ``read`` gives, up to ``size`` bytes. ``before``: how the file was cut when it was last looked at.

    Where an old chunk is still in its place its end stays, without looking for one: an append or an overwrite costs
    little more than the hash. ``start``: where in the file that is. Ends early when it is later than ``until``.
    """
    known = {place: (chunk, length) for place, chunk, length in before.places()} if before is not None else {}
    found: list[tuple[memoryview, bytes]] = []
    data, letters, at, offset, left, ahead = b"", b"", 0, start, size, _FEWEST_AHEAD
    ids: list[bytes] = []
    sizes: list[int] = []
    while until is None or not sizes or time.monotonic() < until:
        if len(data) - at < MOST and left:
            ids += _named(found)
            found = []
            data, left = _more(read, data[at:], left)
            letters, at = b"", 0
        if at == len(data):
            break
        view = memoryview(data)
        same = _unchanged(view[at:], known, offset, ahead, last=not left)
        ahead = min(2 * ahead, _MOST_AHEAD) if len(same) == ahead else _FEWEST_AHEAD
        if not same:
            if not letters:
                letters = data.translate(_LETTERS)
            same = [(view[at : cut(letters, data, at, len(data))], b"")]
        for chunk in same:
            length = len(chunk[0])
            found.append(chunk)
            sizes.append(length)
            at += length
            offset += length
    return Cuts(b"".join(ids + _named(found)), tuple(sizes))


def _more(read: Callable[[int], bytes], data: bytes, left: int) -> tuple[bytes, int]:
    """A block more, or what there is, and how much is left then."""
    while len(data) < MOST and left:
        more = read(min(_BLOCK, left))
        left = left - len(more) if more else 0
        data += more
    return data, left


def _unchanged(
    view: memoryview, known: dict[int, tuple[bytes, int]], offset: int, ahead: int, *, last: bool
) -> list[tuple[memoryview, bytes]]:
    """The chunks of before that ``view``, which is at ``offset``, begins with, ``ahead`` of them at most."""
    there: list[tuple[memoryview, bytes]] = []
    at = 0
    while len(there) < ahead:
        chunk, length = known.get(offset + at, (b"", 0))
        # The last chunk of a file that has grown ended with the file, not where its content says.
        ends = length >= LEAST or (last and at + length == len(view))
        if not chunk or at + length > len(view) or not ends:
            break
        there.append((view[at : at + length], chunk))
        at += length
    ids = _hashes([piece for piece, _ in there])
    right = 0
    while right < len(there) and ids[right] == there[right][1]:
        right += 1
    return there[:right]


def _named(chunks: list[tuple[memoryview, bytes]]) -> list[bytes]:
    """The ids of chunks, some of which are known."""
    fresh = iter(_hashes([piece for piece, chunk in chunks if not chunk]))
    return [chunk or next(fresh) for _, chunk in chunks]


def _hashes(pieces: list[memoryview]) -> list[bytes]:
    """On two cores where there is enough to do: hashing leaves Python to other threads."""
    if len(pieces) < _FEWEST_AHEAD:
        return [chunk_id(piece) for piece in pieces]
    return list(_pool().map(chunk_id, pieces))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most workspaces need none

    return ThreadPoolExecutor(2, "hash")
