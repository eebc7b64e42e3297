"""In which pack each chunk of a store lies, and where in it: on the disk, however many they are.

A chunk may be in several packs; it is found in the last one of which that was said. Numbers of chunks are rows, as
:class:`ChunkIds` has them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.chunk_ids import ChunkIds
from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, KeysView

    from golem_launcher.workspace.repository.bits import Bits

_ENTRY = struct.Struct("=III")
"""Of a row: the number of its pack (0: in none), and offset and length there. In a pack's list: row, offset, length."""
_PIECE = 2048
"""Entries that are read, or written, at once."""


@dataclass(frozen=True)
class Listed:
    """What is in a pack."""

    number: int
    begin: int
    """Where its list is."""
    chunks: int
    bytes: int
    """What its chunks take."""


class Places:
    """Packs by their names, and what is in each. Blocking; one thread at a time."""

    def __init__(self) -> None:
        self.ids = ChunkIds()
        """Of all chunks, and of some that were in packs that are gone. Another object after :meth:`settle`."""
        self._by_row = Spool()
        self._lists = Spool()
        self._packs: dict[str, Listed] = {}
        self._names: dict[int, str] = {}
        self._numbers = count(1)

    @property
    def packs(self) -> KeysView[str]:
        """Their names."""
        return self._packs.keys()

    def __getitem__(self, pack: str) -> Listed:
        return self._packs[pack]

    def add(self, pack: str, index: Iterable[tuple[bytes, int, int]]) -> None:
        """A pack more, with its chunks, each one's offset and length: they are found in it from :meth:`locate` on."""
        self._list(pack, next(self._numbers), ((self.ids.add(chunk), at, size) for chunk, at, size in index))

    def _list(self, pack: str, number: int, entries: Iterable[tuple[int, int, int]]) -> None:
        begin, size, waiting = self._lists.size, 0, bytearray()
        for entry in entries:
            waiting += _ENTRY.pack(*entry)
            size += entry[2]
            if len(waiting) >= _PIECE * _ENTRY.size:
                self._lists.append(waiting)
                waiting = bytearray()
        self._lists.append(waiting)
        self._packs[pack] = Listed(number, begin, (self._lists.size - begin) // _ENTRY.size, size)
        self._names[number] = pack

    def locate(self, pack: str) -> None:
        """Its chunks are found in it, whatever others have them as well."""
        number, first, waiting = self._packs[pack].number, 0, bytearray()
        for row, offset, length in self._entries(self._packs[pack]):
            if row * _ENTRY.size != first + len(waiting) or len(waiting) >= _PIECE * _ENTRY.size:
                self._by_row.write(first, waiting)
                first, waiting = row * _ENTRY.size, bytearray()
            waiting += _ENTRY.pack(number, offset, length)
        self._by_row.write(first, waiting)

    def forget(self, pack: str) -> None:
        """It is gone. Its chunks must not be asked for until :meth:`settle`."""
        del self._names[self._packs.pop(pack).number]

    def settle(self, order: Iterable[str]) -> None:
        """Each chunk is found in the last one of all packs, in this ``order``, that has it."""
        there = sum(pack.chunks for pack in self._packs.values())
        if max(len(self.ids), self._lists.size // _ENTRY.size) > 2 * there:
            self._forget_the_gone()
        self._by_row = Spool()
        for pack in order:
            self.locate(pack)

    def _forget_the_gone(self) -> None:
        """Ids and lists of packs that are gone."""
        before, lists, packs = self.ids, self._lists, dict(self._packs)
        self.ids, self._lists = ChunkIds(), Spool()
        for name, pack in packs.items():
            entries = self._entries(pack, lists)
            self._list(name, pack.number, ((self.ids.add(before[row]), at, size) for row, at, size in entries))

    def find(self, row: int) -> tuple[str, int, int] | None:
        """The pack that has the chunk in a row, its offset there and its length."""
        found = self._by_row.read(row * _ENTRY.size, _ENTRY.size)
        number, offset, length = _ENTRY.unpack(found) if found else (0, 0, 0)
        return (self._names[number], offset, length) if number else None

    def rows_of(self, pack: str) -> Iterator[int]:
        """The chunks in a pack."""
        return (row for row, _, _ in self._entries(self._packs[pack]))

    def bytes_of(self, rows: Bits) -> int:
        """What these chunks take."""
        size, row = 0, 0
        for begin in range(0, self._by_row.size, _PIECE * _ENTRY.size):
            for _, _, length in _ENTRY.iter_unpack(self._by_row.read(begin, _PIECE * _ENTRY.size)):
                size += length if rows[row] else 0
                row += 1
        return size

    def _entries(self, pack: Listed, lists: Spool | None = None) -> Iterator[tuple[int, int, int]]:
        lists, end = lists or self._lists, pack.begin + pack.chunks * _ENTRY.size
        for begin in range(pack.begin, end, _PIECE * _ENTRY.size):
            yield from _ENTRY.iter_unpack(lists.read(begin, min(end - begin, _PIECE * _ENTRY.size)))
