"""A table of hashes on the disk: of a store with ten million chunks it would take a hundred megabytes of memory.

What is looked for lies at the first free slot from where its hash points to. It points by its upper bits, so that slots
are nearly in the order of hashes, and a table of twice as many is made by reading this one from one end to the other.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

_FREE = 0
_SLOT = struct.Struct("=Q")
"""The hash in the upper half, and in the lower one the number after the one that it leads to."""
_TAG_BITS = 32
_LOWER = (1 << 32) - 1
_LEAST_BITS = 6
_WINDOW = struct.Struct("=8Q")
"""Slots that are read at once: rarely is one looked for in more."""
_AT_ONCE = 8
_PIECE = 4096
"""Slots that are read, or written, at once when all are."""


class HashTable:
    """Numbers below 2³² by hashes, of which 32 bits count. Blocking; other threads may look while one adds."""

    def __init__(self, bits: int = _LEAST_BITS, count: int = 0, spool: Spool | None = None) -> None:
        """With ``count`` and ``spool``, one that was: the numbers in it, and its slots."""
        self.bits = bits
        self.count = count
        self.spool = Spool() if spool is None else spool

    def numbers(self, hashed: int) -> list[int]:
        """The numbers that were added with this hash, and maybe others: not all bits of a hash are compared."""
        tag = hashed & _LOWER
        slot = tag >> _TAG_BITS - self.bits
        numbers: list[int] = []
        while True:
            for found in self._window(slot):
                if found == _FREE:
                    return numbers
                if found >> _TAG_BITS == tag:
                    numbers.append((found & _LOWER) - 1)
            slot += _AT_ONCE

    def add(self, hashed: int, number: int) -> None:
        """Add a number by its hash. Raises ``WorkspaceError`` when the disk is full."""
        tag = hashed & _LOWER
        slot = tag >> _TAG_BITS - self.bits
        while _FREE not in (window := self._window(slot)):
            slot += _AT_ONCE
        slot += window.index(_FREE)
        self.spool.write(slot * _SLOT.size, _SLOT.pack(tag << _TAG_BITS | number + 1))
        self.count += 1

    @property
    def full(self) -> bool:
        """Whether it is full enough to be replaced by :meth:`larger`."""
        return self.count > 1 << self.bits - 1

    def larger(self) -> HashTable:
        """A table with the same numbers and twice as many slots."""
        made = HashTable(self.bits + 1)
        shift, piece, end = _TAG_BITS - made.bits, array("Q"), 0
        for each in self._sorted():
            slot = max(each >> _TAG_BITS >> shift, end)
            piece.frombytes(bytes(_SLOT.size * (slot - end)))
            piece.append(each)
            end = slot + 1
            if len(piece) >= _PIECE:
                made.spool.append(piece.tobytes())
                piece = array("Q")
        made.spool.append(piece.tobytes())
        made.count = self.count
        return made

    def _window(self, slot: int) -> tuple[int, ...]:
        """What is in the slots from there on."""
        found = self.spool.read(slot * _SLOT.size, _WINDOW.size)
        return _WINDOW.unpack(found if len(found) == _WINDOW.size else found.ljust(_WINDOW.size, b"\0"))

    def _sorted(self) -> Iterator[int]:
        """What is in all slots, by hash: between two free ones nothing is that belongs elsewhere."""
        together: list[int] = []
        for begin in range(0, self.spool.size, _PIECE * _SLOT.size):
            for found in array("Q", self.spool.read(begin, _PIECE * _SLOT.size)):
                if found != _FREE:
                    together.append(found)
                elif together:
                    yield from sorted(together)
                    together = []
        yield from sorted(together)
