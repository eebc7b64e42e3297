"""A set of chunks' ids that stays small: of a large store there are half a million, and a session reads all of them.

As Python's strings in a set they take 170 bytes each. Here the ids lie on the disk when there are many, and so does the
table by which each is found.
"""

from __future__ import annotations

import secrets
from itertools import chain
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.bit_set import BitSet
from golem_launcher.workspace.repository.hash_table import HashTable
from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ID_BYTES = 32
_BITS, _HASH_BITS = 8 * ID_BYTES, 32
_PIECE = 512
"""Ids that are written at once."""


class ChunkIds:
    """Ids in the order in which they were added, each once. An id's row is the number of ids before it.

    Other threads may look while one adds.
    """

    def __init__(self, ids: Iterable[bytes] = (), *, secret: int | None = None) -> None:
        """``secret``: an odd number as long as an id; nobody who does not know it can make ids that share a place."""
        self.secret = secrets.randbits(_BITS) | 1 if secret is None else secret
        self._spool = Spool()
        self._newest = (0, bytearray())
        """What is not in there yet, and the row of the first of it."""
        self._count = 0
        self.table = HashTable()
        """Of rows."""
        for each in ids:
            self.add(each)

    @classmethod
    def of(cls, secret: int, spool: Spool, table: HashTable) -> ChunkIds:
        """A set that was: its secret, all its :meth:`pieces`, and its table."""
        ids = cls(secret=secret)
        ids._spool, ids.table, ids._count = spool, table, spool.size // ID_BYTES
        ids._newest = (ids._count, bytearray())
        return ids

    def pieces(self) -> Iterator[bytes]:
        """All ids, one behind the other."""
        first, newest = self._newest
        return chain(self._spool.pieces(first * ID_BYTES), (bytes(newest),))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces():
            for at in range(0, len(piece), ID_BYTES):
                yield piece[at : at + ID_BYTES]

    def __getitem__(self, row: int) -> bytes:
        return self._read(row)

    def __contains__(self, chunk: bytes) -> bool:
        return self.row(chunk) is not None

    def row(self, chunk: bytes) -> int | None:
        """The row of an id; ``None`` when it is not in the set."""
        return self._row(chunk, self._hash(chunk))

    def add(self, chunk: bytes) -> int:
        """Add an id unless it is there; its row.

        Raises ``WorkspaceError`` when the disk is full: it is not added then.
        """
        hashed = self._hash(chunk)
        if (row := self._row(chunk, hashed)) is not None:
            return row
        if len(self._newest[1]) == _PIECE * ID_BYTES:
            self._spool.append(self._newest[1])
            self._newest = (self._count, bytearray())
        if self.table.full:
            self.table = self.table.larger()
        self.table.add(hashed, self._count)  # before it is counted: the disk may refuse it
        self._newest[1].extend(chunk)
        self._count += 1
        return self._count - 1

    def _hash(self, chunk: bytes) -> int:
        """Multiply-shift: the upper bits of what is left of a product in so many bits."""
        return int.from_bytes(chunk, "little") * self.secret >> _BITS - _HASH_BITS

    def _row(self, chunk: bytes, hashed: int) -> int | None:
        for row in self.table.numbers(hashed):
            if self._read(row) == chunk:
                return row
        return None

    def _read(self, row: int) -> bytes:
        first, newest = self._newest
        if row >= first:
            return bytes(newest[(row - first) * ID_BYTES : (row - first + 1) * ID_BYTES])
        return self._spool.read(row * ID_BYTES, ID_BYTES)


class Subset:
    """A set of ids, most of which are among ``ids``: it takes a bit for each of those, and more for others."""

    def __init__(self, ids: ChunkIds) -> None:
        self._ids = ids
        self._many = len(ids)
        self._marks = BitSet(self._many)
        self._others = ChunkIds()

    def __contains__(self, chunk: bytes) -> bool:
        row = self._row(chunk)
        return (row is not None and self._marks[row]) or chunk in self._others

    def add(self, chunk: bytes) -> None:
        """Add an id."""
        row = self._row(chunk)
        if row is None:
            self._others.add(chunk)
        else:
            self._marks.add(row)

    def _row(self, chunk: bytes) -> int | None:
        row = self._ids.row(chunk)
        return None if row is None or row >= self._many else row
