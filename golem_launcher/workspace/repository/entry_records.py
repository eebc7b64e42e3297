"""A list of records that does not change: of 200,000 files it takes a megabyte of memory, the rest is on the disk.

Records are sorted, and no two are of one path. All that is asked of a list reads it from one end to the other, next to
another one where two are compared; where one path is looked for, it is read in the few places that the search comes by.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 32 * 1024
"""Bytes that are written, or read, at once."""
_RUN, _RUN_BYTES = 4096, 1024 * 1024
"""Records, and bytes of them, that are sorted at once."""
_MOST = (1 << 32) - 1
"""Bytes of a list."""


class Records(Sequence[bytes]):
    """A list of ``records``, which come sorted. With a ``spool``, several lists share one file."""

    __slots__ = ("_begin", "_digest", "_ends", "_spool")

    def __init__(self, records: Iterable[bytes] = (), spool: Spool | None = None) -> None:
        self._spool = Spool() if spool is None else spool
        self._begin = self._spool.size
        self._ends = array("I", [0])
        """Where each begins, from the first one on, and where the last one ends."""
        digest, waiting, end = hashlib.blake2b(digest_size=16), bytearray(), 0
        for each in records:
            digest.update(each)
            end += len(each)
            if end > _MOST:
                raise WorkspaceError("The list of the workspace's files is too long to be saved.")
            self._ends.append(end)
            if len(waiting) + len(each) > _PIECE:
                self._spool.append(waiting)
                waiting = bytearray()
            if len(each) > _PIECE:  # it may be very long: without a second copy of it
                self._spool.append(each)
            else:
                waiting += each
        self._spool.append(waiting)
        digest.update(self._ends)
        self._digest = digest.digest()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        begin = self._ends[index]
        return self._spool.read(self._begin + begin, self._ends[index + 1] - begin)

    def __iter__(self) -> Iterator[bytes]:
        ends, at, count = self._ends, 0, len(self)
        while at < count:
            begin = ends[at]
            to = max(at + 1, min(bisect_left(ends, begin + _PIECE, at), count))
            if to == at + 1:
                yield self[at]
            else:
                data = self._spool.read(self._begin + begin, ends[to] - begin)
                for each in range(at, to):
                    yield data[ends[each] - begin : ends[each + 1] - begin]
            at = to

    def __eq__(self, other: object) -> bool:
        return self._digest == other._digest if isinstance(other, Records) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Records({len(self)})"

    def find(self, key: bytes) -> bytes | None:
        """The record that begins with ``key``, by bisection; ``None`` when there is none."""
        at = bisect_left(self, key)
        found = self[at] if at < len(self) else b""
        return found if found.startswith(key) else None


class Sorter:
    """Takes records in any order. Those of one path stay in the order in which they came."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._runs: list[Records] = []
        self._run: list[bytes] = []
        self._bytes = 0

    def add(self, each: bytes) -> None:
        """Take one more record. Sorted runs go to the spool's file, so that memory stays small."""
        self._run.append(each)
        self._bytes += len(each)
        if len(self._run) >= _RUN or self._bytes >= _RUN_BYTES:
            self._runs.append(Records(sorted(self._run, key=entry_record.key), self._spool))
            self._run, self._bytes = [], 0

    def merged(self) -> Iterator[bytes]:
        """All records that were added, sorted by path; called once, after the last."""
        return heapq.merge(*self._runs, sorted(self._run, key=entry_record.key), key=entry_record.key)


def beside(records: Iterable[bytes], others: Iterable[bytes]) -> Iterator[tuple[bytes | None, bytes | None]]:
    """The records of two lists in the order of their paths, those of one path together; ``None`` where one has none."""
    one, other = iter(records), iter(others)
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        if left is not None and right is not None and left.startswith(entry_record.key(right)):
            yield left, right
            left, right = next(one, None), next(other, None)
        elif right is None or (left is not None and left < right):
            yield left, None
            left = next(one, None)
        else:
            yield None, right
            right = next(other, None)
