"""Decides which files can be saved within disk and quota, small ones first, and explains the rest."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.units import data_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from golem_launcher.workspace.repository.manifest import Entry
    from golem_launcher.workspace.repository.store import Store

SPARE_DISK = 256 * 1024 * 1024
"""What large files leave free on the disk here."""
LAST_DISK = 48 * 1024 * 1024
"""What small ones leave free: a note is not held back by what a large file may not take."""
SMALL_FILE = 1024 * 1024
TOO_MUCH_KEPT = "the saves take as much as they may; older ones are being deleted, which takes some minutes"


def within(entries: Sequence[Entry], before: Mapping[str, Entry], most: int) -> tuple[list[Entry], dict[str, str]]:
    """Entries of at most ``most`` bytes, in the same order, and the files that had to be left out, with the reason.

    In the place of one left out stands what was saved of it ``before``, where that fits.
    """
    total = sum(entry.data for entry in entries)
    if total <= most:
        return list(entries), {}
    used = 0
    fitting: dict[str, Entry] = {}
    left: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.data):
        if used + entry.data <= most:
            used += entry.data
            fitting[entry.path] = entry
        else:
            left.append(entry)
    for entry in left:
        old = before.get(entry.path)
        if old is not None and old.kind == "file" and used + old.data <= most:
            used += old.data
            fitting[entry.path] = old
    reason = f"the workspace has {data_size(total)}, and {data_size(most)} were asked for"
    kept = [fitting[entry.path] for entry in entries if entry.path in fitting]
    return kept, {entry.path: reason for entry in left}


def lacking(store: Store, entries: Iterable[Entry], quota: int = 1 << 62) -> tuple[dict[str, int], dict[str, str]]:
    """What the store lacks of the files that the disk here has room for; the others with the reason. Blocking.

    The first are chunks with their bytes, about, the smaller files' first. ``quota``: how much more may be kept.
    """
    sizes: dict[str, int] = {}
    needs: list[tuple[int, Entry]] = []
    entries = [entry for entry in entries if entry.chunks]
    absent = store.missing({chunk for entry in entries for chunk in entry.chunks})
    for entry in entries:
        each = entry.data // len(entry.chunks)
        own = [chunk for chunk in entry.chunks if chunk in absent]
        if own:
            sizes.update((chunk, each) for chunk in own if chunk not in sizes)
            needs.append((sum(sizes[chunk] for chunk in set(own)), entry))
    place, free = _room(store) if needs else (Path(), 0)
    found, total, no_room = dict[str, int](), 0, {}
    for size, entry in sorted(needs, key=lambda need: need[0]):
        spare = LAST_DISK if size <= SMALL_FILE else SPARE_DISK
        if total + size + spare > free:
            no_room[entry.path] = (
                f"it takes {data_size(size)}; the disk of {place} has {data_size(free)} free, and "
                f"{data_size(spare)} of it stay free for all else"
            )
            continue
        if total + size > quota:
            no_room[entry.path] = TOO_MUCH_KEPT
            continue
        new = {chunk: sizes[chunk] for chunk in entry.chunks if chunk in absent and chunk not in found}
        found |= new
        total += sum(new.values())
    return found, no_room


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
