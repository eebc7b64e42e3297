"""A set of chunks' ids that stays small: of a large store there are half a million, and a session reads all of them.

As Python's strings in a set they take 170 bytes each. Here the ids lie on the disk when there are many; what is held is
where each is to be found, in 6 to 13 bytes.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ID_BYTES = 32
_LEAST_SLOTS = 64
_FREE = 0
_PIECE = 512
"""Ids that are written, or read, at once."""


class ChunkIds:
    """Ids in the order in which they came, each once. An id has a row: the number of those before it.

    Other threads may look while one adds.
    """

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._spool = Spool()
        self._newest = (0, bytearray())
        """What is not in there yet, and the row of the first of it."""
        self._count = 0
        self._table = (array("I", bytes(4 * _LEAST_SLOTS)), bytearray(_LEAST_SLOTS))
        """The row after each id's, at the first free place from where its hash points to, and eight bits of its hash:
        what has others need not be looked at."""
        for each in ids:
            self.add(each)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for row in range(0, len(self), _PIECE):
            data = self._read(row, min(_PIECE, len(self) - row))
            for at in range(0, len(data), ID_BYTES):
                yield data[at : at + ID_BYTES]

    def __getitem__(self, row: int) -> bytes:
        return self._read(row, 1)

    def __contains__(self, chunk: bytes) -> bool:
        return self.row(chunk) is not None

    def row(self, chunk: bytes) -> int | None:
        """Its row; ``None`` when it is not there."""
        _, after = self._look_up(chunk, hash(chunk))
        return None if after == _FREE else after - 1

    def add(self, chunk: bytes) -> int:
        """Its row; a new one when it is new. Raises ``WorkspaceError`` when the disk has no room for it."""
        hashed = hash(chunk)
        slot, after = self._look_up(chunk, hashed)
        if after != _FREE:
            return after - 1
        if len(self._newest[1]) == _PIECE * ID_BYTES:
            self._spool.append(self._newest[1])
            self._newest = (self._count, bytearray())
        self._newest[1].extend(chunk)
        self._count += 1
        slots, tags = self._table
        tags[slot] = _tag(hashed)
        slots[slot] = self._count
        if 5 * self._count > 4 * len(slots):
            self._grow()
        return self._count - 1

    def _read(self, row: int, many: int) -> bytes:
        """The ids of ``many`` rows, all of which are in one piece."""
        first, newest = self._newest
        if row >= first:
            return bytes(newest[(row - first) * ID_BYTES : (row - first + many) * ID_BYTES])
        return self._spool.read(row * ID_BYTES, many * ID_BYTES)

    def _look_up(self, chunk: bytes, hashed: int) -> tuple[int, int]:
        """The slot where it is, or would be, and what is in it.

        Python's hash has a secret: nobody can make ids that all point to one place.
        """
        slots, tags = self._table
        mask, tag = len(slots) - 1, _tag(hashed)
        slot = hashed & mask
        while (after := slots[slot]) != _FREE:
            if tags[slot] == tag and self._read(after - 1, 1) == chunk:
                break
            slot = (slot + 1) & mask
        return slot, after

    def _grow(self) -> None:
        many = 2 * len(self._table[0])
        slots, tags, mask = array("I", bytes(4 * many)), bytearray(many), many - 1
        for row, chunk in enumerate(self):
            hashed = hash(chunk)
            slot = hashed & mask
            while slots[slot] != _FREE:
                slot = (slot + 1) & mask
            slots[slot], tags[slot] = row + 1, _tag(hashed)
        self._table = (slots, tags)


def _tag(hashed: int) -> int:
    return hashed >> 48 & 0xFF


class Subset:
    """A set of chunks' ids, most of which are among ``ids``: a byte for each that these have now, and all others."""

    def __init__(self, ids: ChunkIds) -> None:
        self._ids = ids
        self._marks = bytearray(len(ids))
        self._others = ChunkIds()

    def __contains__(self, chunk: bytes) -> bool:
        row = self._row(chunk)
        return (row is not None and self._marks[row] != 0) or chunk in self._others

    def add(self, chunk: bytes) -> None:
        """Put it in."""
        row = self._row(chunk)
        if row is None:
            self._others.add(chunk)
        else:
            self._marks[row] = True

    def _row(self, chunk: bytes) -> int | None:
        row = self._ids.row(chunk)
        return None if row is None or row >= len(self._marks) else row
