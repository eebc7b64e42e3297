"""The entries of a workspace, sorted by their paths: records, which are entries again when somebody looks at them.

All of it has been checked, and there are no two of one path. As objects, a file takes two kilobytes of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entry_record, symlinks
from golem_launcher.workspace.repository.entry import Entry, fault, shown
from golem_launcher.workspace.repository.entry_records import Records, Sorter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_ENTRIES = 200_000
_FILTER_BITS = 1 << 22


class Entries(Sequence[Entry]):
    """A list of entries that does not change. ``records`` are sorted, sound, and each of another path."""

    __slots__ = ("_totals", "records")

    def __init__(self, records: Iterable[bytes] = ()) -> None:
        self.records = records if isinstance(records, Records) else Records(records)
        self._totals: tuple[int, int] | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Entries:
        """The list of these entries, sorted by their paths.

        Raises ``WorkspaceError`` that names a path at fault: one that leaves the workspace, that another entry takes
        already, or that lies below something that is no directory. Names that differ in case alone are two.
        """
        return entries if isinstance(entries, Entries) else cls.of_records(map(_packed, entries))

    @classmethod
    def of_records(cls, records: Iterable[bytes]) -> Entries:
        """The same from records, in any order, each of which has been checked by itself."""
        sorter = Sorter()
        for count, each in enumerate(records):
            if count == MOST_ENTRIES:
                raise WorkspaceError(f"A workspace may have {MOST_ENTRIES:,} files; this one has more.")
            sorter.add(each)
        return cls(_sound(sorter.merged()))

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Entries: ...
    def __getitem__(self, index: int | slice) -> Entry | Entries:
        found = self.records[index]
        return entry_record.unpack(found) if isinstance(found, bytes) else Entries(found)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Entry]:
        return map(entry_record.unpack, self.records)

    def __eq__(self, other: object) -> bool:
        return self.records == other.records if isinstance(other, Entries) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Entries({len(self)})"

    def chunk_ids(self) -> Iterator[bytes]:
        """The ids of all chunks; one that two files need comes twice."""
        for each in self.records:
            yield from entry_record.chunk_ids(each)

    def judged(self) -> Iterator[tuple[bytes, str]]:
        """Each record, and why it can't be saved beside the others when it is a link that may lead out; else empty."""
        links = _Links(self.records)
        return zip(self.records, symlinks.judged(links, links.target_of), strict=True)

    @property
    def files(self) -> int:
        """How many files are among them."""
        return self._counted()[0]

    @property
    def size(self) -> int:
        """What all files together take on a disk."""
        return self._counted()[1]

    def _counted(self) -> tuple[int, int]:
        if self._totals is None:
            files = size = 0
            for each in self.records:
                files += entry_record.is_file(each)
                size += entry_record.data(each)
            self._totals = files, size
        return self._totals


class _Links:
    """Path and target of each of the records, no target where it is no link; where one leads, by its path."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._seen: bytearray | None = None
        """A bit for some of the hash of each link's path: that most paths are no links' is known by it."""
        for each in records:
            if entry_record.link_target(each):
                if self._seen is None:
                    self._seen = bytearray(_FILTER_BITS // 8)
                place = hash(entry_record.key(each)) % _FILTER_BITS
                self._seen[place >> 3] |= 1 << (place & 7)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (
            (entry_record.path(each), target) if (target := entry_record.link_target(each)) else ("", "")
            for each in self._records
        )

    def target_of(self, path: str) -> str | None:
        if self._seen is None:
            return None
        key = entry_record.key_of(path)
        place = hash(key) % _FILTER_BITS
        if not self._seen[place >> 3] >> (place & 7) & 1:
            return None
        found = self._records.find(key)
        return entry_record.link_target(found) or None if found is not None else None


def checked(entries: Iterable[Entry]) -> Entries:
    """:meth:`Entries.of`, when no link leads out: it can be written anywhere without harm. ``WorkspaceError``."""
    found = Entries.of(entries)
    for each, reason in found.judged():
        if reason:
            raise WorkspaceError(f"{shown(entry_record.path(each))} can't be saved: {reason}.")
    return found


def _packed(entry: Entry) -> bytes:
    if reason := fault(entry):
        raise WorkspaceError(f"{shown(entry.path)} can't be saved: {reason}.")
    return entry_record.pack(entry)


def _sound(records: Iterable[bytes]) -> Iterator[bytes]:
    """The sorted records, when no two are of one path and each lies where it can lie. Raises ``WorkspaceError``."""
    before: bytes | None = None
    for each, fits in placed(records):
        if before is not None and each.startswith(before):
            raise WorkspaceError(f"Two files of the workspace have one name: {shown(entry_record.path(each))}.")
        if not fits:
            raise WorkspaceError(f"{shown(entry_record.path(each))} lies below something that is no directory.")
        before = entry_record.key(each)
        yield each


def placed(records: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each of the sorted records, and whether its parent is a directory or not among them."""
    barrier: bytes | None = None
    for each in records:
        if barrier is not None and each.startswith(barrier):
            yield each, False
            continue
        if not entry_record.is_directory(each):
            barrier = entry_record.below(each)
        yield each, True
