"""The entries of a workspace, sorted by their paths: records, which are entries again when somebody looks at them.

All of it has been checked, and there are no two of one path. As objects, a file takes two kilobytes of memory; as a
record little more than its path and the ids of its chunks. What several lists share is there once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, overload

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import record, symlinks
from golem_launcher.workspace.repository.entry import Entry, fault, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_ENTRIES = 200_000


class Entries(Sequence[Entry]):
    """A list of entries that does not change. ``records`` are sorted, sound, and each of another path."""

    __slots__ = ("records",)

    def __init__(self, records: Sequence[bytes] = ()) -> None:
        self.records = records

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Entries:
        """These, in the order of their paths.

        Raises ``WorkspaceError`` that names a path at fault: one that leaves the workspace, that another entry takes
        already, or that lies below something that is no directory. Names that differ in case alone are two.
        """
        if isinstance(entries, Entries):
            return entries
        records = []
        for entry in entries:
            if reason := fault(entry):
                raise WorkspaceError(f"{shown(entry.path)} can't be saved: {reason}.")
            records.append(record.pack(entry))
            if len(records) > MOST_ENTRIES:
                raise WorkspaceError(f"A workspace may have {MOST_ENTRIES:,} files; this one has more.")
        records.sort()
        for one, other in pairwise(records):
            if other.startswith(record.key(one)):
                raise WorkspaceError(f"Two files of the workspace have one name: {shown(record.path(one))}.")
        for each, fits in placed(records):
            if not fits:
                raise WorkspaceError(f"{shown(record.path(each))} lies below something that is no directory.")
        return cls(records)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Entries: ...
    def __getitem__(self, index: int | slice) -> Entry | Entries:
        found = self.records[index]
        return record.unpack(found) if isinstance(found, bytes) else Entries(found)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Entry]:
        return map(record.unpack, self.records)

    def __eq__(self, other: object) -> bool:
        return self.records == other.records if isinstance(other, Entries) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Entries({len(self)})"

    def find(self, key: bytes) -> bytes | None:
        """The record with this key."""
        return find(self.records, key)

    def chunk_ids(self) -> Iterator[bytes]:
        """The ids of all chunks, one that is needed twice twice."""
        for each in self.records:
            yield from record.chunk_ids(each)

    def links(self) -> Iterator[tuple[str, str]]:
        """Path and target of each link."""
        return ((record.path(each), target) for each in self.records if (target := record.link_target(each)))

    @property
    def files(self) -> int:
        """How many files are among them."""
        return sum(map(record.is_file, self.records))

    @property
    def size(self) -> int:
        """What all files together take on a disk."""
        return sum(map(record.data, self.records))


def checked(entries: Iterable[Entry]) -> Entries:
    """:meth:`Entries.of`, when no link leads out: it can be written anywhere without harm. ``WorkspaceError``."""
    found = Entries.of(entries)
    for path, reason in symlinks.leading_out(found.links()).items():
        raise WorkspaceError(f"{shown(path)} can't be saved: {reason}.")
    return found


def find(records: Sequence[bytes], key: bytes) -> bytes | None:
    """The record with this key among sorted ones."""
    at = bisect_left(records, key)
    return records[at] if at < len(records) and records[at].startswith(key) else None


def placed(records: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each of the sorted records, and whether what it lies in is a directory, or not told of."""
    barrier: bytes | None = None
    for each in records:
        if barrier is not None and each.startswith(barrier):
            yield each, False
            continue
        if not record.is_directory(each):
            barrier = record.below(each)
        yield each, True
