"""Decides which files can be saved within the disk and what saves may take, small ones first; explains the rest."""

from __future__ import annotations

import contextlib
import heapq
import shutil
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.units import data_size
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.chunk_ids import ChunkIds
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry_records import beside
from golem_launcher.workspace.transfer.omissions import Omissions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
_LARGEST = (1 << 64 - _INDEX_BITS) - 1
"""A size and which record has it are one number: so 200,000 of them are sorted in little memory."""
_RUN = 4096
"""As many as are objects of Python's at once."""


def within(entries: Entries, before: Entries, most: int) -> tuple[Entries, Omissions]:
    """Entries of at most ``most`` bytes, in the same order, and the files that had to be left out, with the reason.

    In the place of one left out stands what was saved of it ``before``, where that fits.
    """
    total = entries.size
    if total <= most:
        return entries, Omissions()
    used, out = 0, bytearray(len(entries))
    sizes = (_numbered(entry_record.data(each), index) for index, each in enumerate(entries.records))
    for number in _sorted(array("Q", sizes)):
        size = number >> _INDEX_BITS
        if used + size <= most:
            used += size
        else:
            out[number & _INDEX] = True
    reason = f"the workspace has {data_size(total)}, and {data_size(most)} were asked for"
    left_out = Omissions()

    def kept() -> Iterator[bytes]:
        nonlocal used
        index = -1
        for each, old in beside(entries.records, before.records):
            if each is None:
                continue
            index += 1
            if not out[index]:
                yield each
                continue
            left_out.add(entry_record.path(each), reason)
            if old is not None and entry_record.is_file(old) and used + entry_record.data(old) <= most:
                used += entry_record.data(old)
                yield old

    return Entries(kept()), left_out


@dataclass(frozen=True)
class NoRoom:
    """The files for which there is no room."""

    why: Omissions
    at: bytearray
    """Of each record that was asked about, whether it is one of them."""
    kept_full: bool
    """Whether of some it is because the saves take as much as they may."""


def lacking(store: Store, records: Sequence[bytes], wanted: ChunkQueue, most: int = 1 << 62) -> NoRoom:
    """Add to ``wanted`` what the store lacks of the files that the disk here has room for; the others, and why.

    The smaller files' chunks first. ``records`` are those of files, or of anything. ``most``: how much more may be
    kept. Blocking.
    """
    lacked = array("Q", _lacked(store, records))
    place, free = _room(store) if lacked else (Path(), 0)
    total, why, at, kept_full = 0, Omissions(), bytearray(len(records)), False
    for number in _sorted(lacked):
        size, index = number >> _INDEX_BITS, number & _INDEX
        each = records[index]
        spare = spare_beside(size)
        if total + size + spare > free:
            at[index] = True
            why.add(
                entry_record.path(each),
                f"it takes {data_size(size)}; the disk of {place} has {data_size(free)} free, and "
                f"{data_size(spare)} of it stay free for all else",
            )
            continue
        if total + size > most:
            at[index] = kept_full = True
            why.add(entry_record.path(each), TOO_MUCH_KEPT)
            continue
        share = entry_record.data(each) // entry_record.chunks(each)
        for chunk in entry_record.chunk_ids(each):
            if chunk not in wanted and not store.has(chunk):
                wanted.add(chunk, share)
                total += share
    return NoRoom(why, at, kept_full)


def spare_beside(size: int) -> int:
    """How many bytes of the disk here stay free for all else when ``size`` more are written to it."""
    return LAST_DISK if size <= SMALL_FILE else SPARE_DISK


def _lacked(store: Store, records: Iterable[bytes]) -> Iterator[int]:
    """The size of what the store lacks of each record, where it lacks something, and the record's index."""
    for index, each in enumerate(records):
        missing = (chunk for chunk in entry_record.chunk_ids(each) if not store.has(chunk))
        if many := sum(1 for _ in missing) if entry_record.chunks(each) == 1 else len(ChunkIds(missing)):
            yield _numbered(many * (entry_record.data(each) // entry_record.chunks(each)), index)


def _numbered(size: int, index: int) -> int:
    return min(size, _LARGEST) << _INDEX_BITS | index


def _sorted(numbers: array[int]) -> Iterator[int]:
    """All of them; few are objects of Python's at once."""
    runs = [array("Q", sorted(numbers[at : at + _RUN])) for at in range(0, len(numbers), _RUN)]
    return heapq.merge(*runs)


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
