"""A set of chunks' ids that stays small: of a large store there are half a million, and a session reads all of them.

As Python's strings in a set they take 170 bytes each; here it is 32, and at most 12 to find them again.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ID_BYTES = 32
_LEAST_SLOTS = 64
_FREE = 0
_BLOCK = 4096
"""Ids that lie in one piece: a set grows, and lets go of its first ids, without being copied."""


class ChunkIds:
    """Ids in the order in which they came, each once. An id has a row: the number of those before it.

    Other threads may look while one adds.
    """

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._blocks: list[bytearray] = []
        self._count = 0
        self._slots = array("I", bytes(4 * _LEAST_SLOTS))
        """The row after each id's, at the first free place from where its hash points to."""
        for each in ids:
            self.add(each)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> bytes:
        at = row % _BLOCK * ID_BYTES
        return bytes(self._blocks[row // _BLOCK][at : at + ID_BYTES])

    def __contains__(self, chunk: bytes) -> bool:
        return self.row(chunk) is not None

    def row(self, chunk: bytes) -> int | None:
        """Its row; ``None`` when it is not there."""
        _, after = self._look_up(chunk)
        return None if after == _FREE else after - 1

    def add(self, chunk: bytes) -> int:
        """Its row; a new one when it is new."""
        slot, after = self._look_up(chunk)
        if after != _FREE:
            return after - 1
        if self._count % _BLOCK == 0:
            self._blocks.append(bytearray())
        self._blocks[-1] += chunk
        self._count += 1
        self._slots[slot] = self._count
        if 3 * self._count > 2 * len(self._slots):
            self._grow()
        return self._count - 1

    def forget_first(self, count: int) -> None:
        """Let go of the ids of the first ``count`` rows, in whole blocks: they are not found any more.

        None is added after that.
        """
        for number in range(count // _BLOCK):
            self._blocks[number].clear()

    def _look_up(self, chunk: bytes) -> tuple[int, int]:
        """The slot where it is, or would be, and what is in it.

        Python's hash has a secret: nobody can make ids that all point to one place.
        """
        slots, blocks = self._slots, self._blocks
        mask = len(slots) - 1
        slot = hash(chunk) & mask
        while (after := slots[slot]) != _FREE:
            at = (after - 1) % _BLOCK * ID_BYTES
            if blocks[(after - 1) // _BLOCK][at : at + ID_BYTES] == chunk:
                break
            slot = (slot + 1) & mask
        return slot, after

    def _grow(self) -> None:
        slots = array("I", bytes(8 * len(self._slots)))
        mask = len(slots) - 1
        for row, chunk in enumerate(self):
            slot = hash(chunk) & mask
            while slots[slot] != _FREE:
                slot = (slot + 1) & mask
            slots[slot] = row + 1
        self._slots = slots


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
