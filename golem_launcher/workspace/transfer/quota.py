"""Decides which files can be saved within disk and quota, small ones first, and explains the rest."""

from __future__ import annotations

import contextlib
import heapq
import shutil
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.units import data_size
from golem_launcher.workspace.repository import record
from golem_launcher.workspace.repository.entries import Entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue

SPARE_DISK = 256 * 1024 * 1024
"""What large files leave free on the disk here."""
LAST_DISK = 48 * 1024 * 1024
"""What small ones leave free: a note is not held back by what a large file may not take."""
SMALL_FILE = 1024 * 1024
TOO_MUCH_KEPT = "the saves take as much as they may; older ones are being deleted, which takes some minutes"
_INDEX_BITS = 20
_INDEX = (1 << _INDEX_BITS) - 1
"""A size and which record has it are one number: so 200,000 of them are sorted in little memory."""
_RUN = 4096
"""As many as are objects of Python's at once."""


def within(entries: Entries, before: Entries, most: int) -> tuple[Entries, dict[str, str]]:
    """Entries of at most ``most`` bytes, in the same order, and the files that had to be left out, with the reason.

    In the place of one left out stands what was saved of it ``before``, where that fits.
    """
    total = entries.size
    if total <= most:
        return entries, {}
    used = 0
    records = entries.records
    left: list[int] = []
    instead: dict[int, bytes] = {}
    for index in sorted(range(len(records)), key=lambda index: record.data(records[index])):
        size = record.data(records[index])
        if used + size <= most:
            used += size
        else:
            left.append(index)
    for index in left:
        old = before.find(record.key(records[index]))
        if old is not None and record.is_file(old) and used + record.data(old) <= most:
            used += record.data(old)
            instead[index] = old
    reason = f"the workspace has {data_size(total)}, and {data_size(most)} were asked for"
    out = set(left)
    kept = [instead.get(index, each) for index, each in enumerate(records) if index not in out or index in instead]
    return Entries(kept), {record.path(records[index]): reason for index in left}


def lacking(store: Store, records: Sequence[bytes], wanted: ChunkQueue, quota: int = 1 << 62) -> dict[str, str]:
    """Add to ``wanted`` what the store lacks of the files that the disk here has room for; the others, and why.

    The smaller files' chunks first. ``records`` are those of files, or of anything. ``quota``: how much more may be
    kept. Blocking.
    """
    runs = _smallest_first(store, records)
    place, free = _room(store) if runs else (Path(), 0)
    total, no_room = 0, {}
    for number in heapq.merge(*runs):
        size, each = number >> _INDEX_BITS, records[number & _INDEX]
        spare = LAST_DISK if size <= SMALL_FILE else SPARE_DISK
        if total + size + spare > free:
            no_room[record.path(each)] = (
                f"it takes {data_size(size)}; the disk of {place} has {data_size(free)} free, and "
                f"{data_size(spare)} of it stay free for all else"
            )
            continue
        if total + size > quota:
            no_room[record.path(each)] = TOO_MUCH_KEPT
            continue
        chunks = record.chunk_ids(each)
        share = record.data(each) // len(chunks)
        for chunk in chunks:
            if chunk not in wanted and not store.has(chunk):
                wanted.add(chunk, share)
                total += share
    return no_room


def _smallest_first(store: Store, records: Sequence[bytes]) -> list[array[int]]:
    """What the store lacks of each record, where it lacks something, and the record's index: in sorted runs."""
    found = array("Q")
    for index, each in enumerate(records):
        chunks = record.chunk_ids(each)
        if lacked := len({chunk for chunk in chunks if not store.has(chunk)}):
            found.append(lacked * (record.data(each) // len(chunks)) << _INDEX_BITS | index)
    return [array("Q", sorted(found[at : at + _RUN])) for at in range(0, len(found), _RUN)]


def free_here(store_shown: str) -> tuple[Path, int]:
    """The place with the least room that saves need on this computer, and the bytes free there. Blocking."""
    places = [paths.home()]
    if store_shown and "://" not in store_shown:
        places.append(Path(store_shown))
    found = []
    for place in places:
        with contextlib.suppress(OSError):
            found.append((shutil.disk_usage(place).free, place))
    free, place = min(found, default=(1 << 62, places[0]))
    return place, free


def _room(store: Store) -> tuple[Path, int]:
    return free_here(store.shown)
