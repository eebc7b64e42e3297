"""In which pack each chunk of a store lies, and where in it: on the disk, however many they are.

A chunk may be in several packs; it is found in the last one of which that was said. Numbers of chunks are rows, as
:class:`ChunkIds` has them.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds
from golem_launcher.workspace.repository.hash_table import HashTable
from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, KeysView, Sequence

    from golem_launcher.workspace.repository.bit_set import BitSet

_ENTRY = struct.Struct("=III")
"""Of a row: the number of its pack (0: in none), and offset and length there. In a pack's list: row, offset, length."""
_PIECE = 2048
"""Entries that are read, or written, at once."""


@dataclass(frozen=True)
class Listed:
    """Where the list of one pack's chunks is, and how much the pack holds."""

    number: int
    begin: int
    """Where its list is."""
    chunks: int
    bytes: int
    """What its chunks take."""


class ChunkLocations:
    """Packs by their names, and what is in each. Blocking; one thread at a time."""

    def __init__(self) -> None:
        self.ids = ChunkIds()
        """Of all chunks, and of some that were in packs that are gone. Another object after :meth:`locate_all`."""
        self._by_row = Spool()
        self._lists = Spool()
        self._packs: dict[str, Listed] = {}
        self._names: dict[int, str] = {}
        self._numbers = count(1)

    @classmethod
    def of(cls, state: dict[str, Any], spools: Sequence[Spool]) -> ChunkLocations:
        """What another one was, by its :meth:`state` and all its :meth:`parts`."""
        ids, table, by_row, lists = spools
        made = cls()
        made.ids = ChunkIds.of(state["secret"], ids, HashTable(state["bits"], state["count"], table))
        made._by_row, made._lists = by_row, lists
        made._packs = {name: Listed(*each) for name, *each in state["packs"]}
        made._names = {pack.number: name for name, pack in made._packs.items()}
        made._numbers = count(max(made._names, default=0) + 1)
        return made

    def state(self) -> dict[str, Any]:
        """What little is not in its :meth:`parts`, as JSON can hold it."""
        table = self.ids.table
        packs = [(name, *astuple(pack)) for name, pack in self._packs.items()]
        return {"secret": self.ids.secret, "bits": table.bits, "count": table.count, "packs": packs}

    def parts(self) -> list[tuple[int, Iterator[bytes]]]:
        """All tables as they are kept on disk: for each its bytes in all, and its content piece by piece."""
        spools = (self.ids.table.spool, self._by_row, self._lists)
        return [(len(self.ids) * ID_BYTES, self.ids.pieces()), *((each.size, each.pieces()) for each in spools)]

    @property
    def chunks(self) -> int:
        """How many are in all packs together; one that is in two counts twice."""
        return sum(pack.chunks for pack in self._packs.values())

    @property
    def packs(self) -> KeysView[str]:
        """The names of the packs that are known."""
        return self._packs.keys()

    def __getitem__(self, pack: str) -> Listed:
        return self._packs[pack]

    def add(self, pack: str, index: Iterable[tuple[bytes, int, int]]) -> None:
        """Add a pack with its chunks, offset and length of each. They are found in it after :meth:`locate`.

        Raises ``WorkspaceError`` when the disk is full: the pack is not added then.
        """
        entries = ((self.ids.add(chunk), at, size) for chunk, at, size in index)
        listed = _listed(self._lists, next(self._numbers), entries)
        self._packs[pack] = listed
        self._names[listed.number] = pack

    def locate(self, pack: str, rank: Callable[[str], Any]) -> None:
        """Have the chunks of a pack found in it from now on, but for those that are in one of a higher ``rank``.

        Raises as :meth:`add`: where its chunks are found is unknown then, until :meth:`locate_all` went well.
        """
        listed, own = self._packs[pack], rank(pack)
        entries = _entries(listed, self._lists)
        better = (each for each in entries if (found := self.find(each[0])) is None or rank(found[0]) < own)
        _locate(self._by_row, listed.number, better)

    def forget(self, pack: str) -> None:
        """Remove a pack that is gone. Its chunks must not be looked for until :meth:`locate_all` was called."""
        del self._names[self._packs.pop(pack).number]

    def locate_all(self, order: Iterable[str]) -> None:
        """Find each chunk in the last pack, in this ``order``, that has it.

        Raises ``WorkspaceError`` when the disk has no room for that, and has changed nothing then: what is half filled
        would say of chunks that they are nowhere.
        """
        ids, lists, packs, by_row = self.ids, self._lists, self._packs, Spool()
        there = sum(pack.chunks for pack in packs.values())
        if max(len(ids), lists.size // _ENTRY.size) > 2 * there:
            ids, lists, packs = self._without_the_gone()
        for pack in order:
            _locate(by_row, packs[pack].number, _entries(packs[pack], lists))
        self.ids, self._lists, self._packs, self._by_row = ids, lists, packs, by_row

    def _without_the_gone(self) -> tuple[ChunkIds, Spool, dict[str, Listed]]:
        """All ids and lists, made anew without those of packs that are gone."""
        ids, lists, packs = ChunkIds(), Spool(), {}
        for name, pack in self._packs.items():
            entries = ((ids.add(self.ids[row]), at, size) for row, at, size in _entries(pack, self._lists))
            packs[name] = _listed(lists, pack.number, entries)
        return ids, lists, packs

    def find(self, row: int) -> tuple[str, int, int] | None:
        """The pack that has the chunk in a row, its offset there and its length."""
        found = self._by_row.read(row * _ENTRY.size, _ENTRY.size)
        number, offset, length = _ENTRY.unpack(found) if found else (0, 0, 0)
        return (self._names[number], offset, length) if number else None

    def rows_of(self, pack: str) -> Iterator[int]:
        """The rows of the chunks in a pack, as :class:`BitSet` has them."""
        return (row for row, _, _ in _entries(self._packs[pack], self._lists))

    def bytes_of(self, rows: BitSet) -> int:
        """How many bytes the chunks of these rows take in their packs."""
        size, row = 0, 0
        for begin in range(0, self._by_row.size, _PIECE * _ENTRY.size):
            for _, _, length in _ENTRY.iter_unpack(self._by_row.read(begin, _PIECE * _ENTRY.size)):
                size += length if rows[row] else 0
                row += 1
        return size


def _listed(lists: Spool, number: int, entries: Iterable[tuple[int, int, int]]) -> Listed:
    """A pack's list, put into ``lists``."""
    begin, size, waiting = lists.size, 0, bytearray()
    for entry in entries:
        waiting += _ENTRY.pack(*entry)
        size += entry[2]
        if len(waiting) >= _PIECE * _ENTRY.size:
            lists.append(waiting)
            waiting = bytearray()
    lists.append(waiting)
    return Listed(number, begin, (lists.size - begin) // _ENTRY.size, size)


def _entries(pack: Listed, lists: Spool) -> Iterator[tuple[int, int, int]]:
    """What a pack's list has."""
    end = pack.begin + pack.chunks * _ENTRY.size
    for begin in range(pack.begin, end, _PIECE * _ENTRY.size):
        yield from _ENTRY.iter_unpack(lists.read(begin, min(end - begin, _PIECE * _ENTRY.size)))


def _locate(by_row: Spool, number: int, entries: Iterable[tuple[int, int, int]]) -> None:
    """Put the places of chunks of the pack of this ``number`` into ``by_row``."""
    first, waiting = 0, bytearray()
    for row, offset, length in entries:
        if row * _ENTRY.size != first + len(waiting) or len(waiting) >= _PIECE * _ENTRY.size:
            by_row.write(first, waiting)
            first, waiting = row * _ENTRY.size, bytearray()
        waiting += _ENTRY.pack(number, offset, length)
    by_row.write(first, waiting)
