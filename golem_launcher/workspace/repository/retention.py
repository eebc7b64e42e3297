"""Which generations are kept: all of the last hour, one an hour of the last day, one a day of the last month.

And of those no more than a number of bytes: then the many of the last hour go before the few of long ago, so that
whoever fills a workspace with noise does not push out what was there before.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.bit_set import BitSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from golem_launcher.workspace.repository.generation import Generation

ALL_WITHIN = timedelta(hours=1)
HOURLY_WITHIN = timedelta(days=1)
DAILY_WITHIN = timedelta(days=31)


def kept(generations: Sequence[Generation], now: datetime) -> set[int]:
    """The numbers of the generations to keep.

    The newest always, whatever its age; the last one of each hour or day; and of each that something was odd about
    (files vanished, say) the one before it, which has what vanished: for a month, and for good beside the newest.
    """
    ordered = sorted(generations, key=lambda generation: generation.number)
    keep = {generation.number for generation in ordered[-1:]}
    slots: dict[datetime, int] = {}
    for before, generation in zip([None, *ordered], ordered, strict=False):
        age = now - generation.created_at
        if generation.flags and before is not None and (age <= DAILY_WITHIN or generation.number in keep):
            keep.add(before.number)
        if age <= ALL_WITHIN:
            keep.add(generation.number)
        elif age <= DAILY_WITHIN:
            hour = generation.created_at.replace(minute=0, second=0, microsecond=0)
            slots[hour if age <= HOURLY_WITHIN else hour.replace(hour=0)] = generation.number
    return keep | set(slots.values())


@dataclass(frozen=True)
class KeptChunks:
    """What generations need of a store that has so ``many`` chunks; each of them is a number below that."""

    many: int
    of: Callable[[int], Iterable[int]]
    """A generation's: asked for one after the other, because each may have very many."""
    size: Callable[[int], int]
    """What a chunk takes in the store."""


def within(generations: Sequence[Generation], now: datetime, most: int, chunks: KeptChunks) -> set[int]:
    """The numbers of the generations to keep so that they take at most ``most`` bytes; the newest whatever it takes.

    Chunks that several share count once.
    """
    ordered = sorted(generations, key=lambda generation: generation.number, reverse=True)
    older = [each for each in ordered if now - each.created_at > ALL_WITHIN]
    lately = [each for each in ordered if now - each.created_at <= ALL_WITHIN]
    before_flagged = [before for later, before in pairwise(ordered) if later.flags]  # they have what vanished
    held = BitSet(chunks.many)
    keep: set[int] = set()
    used = 0
    for generation in dict.fromkeys([*ordered[:1], *older, *lately[-1:], *before_flagged, *lately]):
        new = array("I")
        for chunk in chunks.of(generation.number):
            if not held[chunk]:
                held.add(chunk)
                new.append(chunk)
        more = sum(map(chunks.size, new))
        if keep and used + more > most:
            for chunk in new:
                held.remove(chunk)
            continue
        keep.add(generation.number)
        used += more
    return keep
