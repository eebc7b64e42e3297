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


class ChunkIds:
    """Ids in the order in which they came, each once. An id has a row: the number of those before it."""

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._ids = bytearray()
        self._slots = array("I", bytes(4 * _LEAST_SLOTS))
        """The row after each id's, at the first free place from where its hash points to."""
        for each in ids:
            self.add(each)

    def __len__(self) -> int:
        return len(self._ids) // ID_BYTES

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> bytes:
        return bytes(self._ids[row * ID_BYTES : (row + 1) * ID_BYTES])

    def __contains__(self, chunk: bytes) -> bool:
        return self.row(chunk) is not None

    def row(self, chunk: bytes) -> int | None:
        """Its row; ``None`` when it is not there."""
        found = self._slots[self._slot(chunk)]
        return None if found == _FREE else found - 1

    def add(self, chunk: bytes) -> int:
        """Its row; a new one when it is new."""
        slot = self._slot(chunk)
        if (found := self._slots[slot]) != _FREE:
            return found - 1
        self._ids += chunk
        self._slots[slot] = len(self)
        if 3 * len(self) > 2 * len(self._slots):
            self._grow()
        return len(self) - 1

    def _slot(self, chunk: bytes) -> int:
        """Where it is, or would be. Python's hash has a secret: nobody can make ids that all point to one place."""
        slots, ids, mask = self._slots, self._ids, len(self._slots) - 1
        slot = hash(chunk) & mask
        while (found := slots[slot]) != _FREE:
            end = found * ID_BYTES
            if ids[end - ID_BYTES : end] == chunk:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._slots = slots = array("I", bytes(8 * len(self._slots)))
        mask = len(slots) - 1
        for row, chunk in enumerate(self):
            slot = hash(chunk) & mask
            while slots[slot] != _FREE:
                slot = (slot + 1) & mask
            slots[slot] = row + 1
