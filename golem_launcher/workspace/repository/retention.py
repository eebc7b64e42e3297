"""Which generations are kept: all of the last hour, one an hour of the last day, one a day of the last month.

And of those no more than a number of bytes: then the many of the last hour go before the few of long ago, so that
whoever fills a workspace with noise does not push out what was there before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.chunk_ids import ChunkIds

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


def within(
    generations: Sequence[Generation],
    now: datetime,
    most: int,
    chunks: Callable[[int], Iterable[bytes]],
    size: Callable[[bytes], int],
) -> set[int]:
    """The numbers of the generations to keep so that they take at most ``most`` bytes; the newest whatever it takes.

    ``chunks`` of a generation, asked for one after the other because each may have very many, and the ``size`` that a
    chunk has in the store: what several share counts once.
    """
    ordered = sorted(generations, key=lambda generation: generation.number, reverse=True)
    older = [each for each in ordered if now - each.created_at > ALL_WITHIN]
    lately = [each for each in ordered if now - each.created_at <= ALL_WITHIN]
    before_flagged = [before for later, before in pairwise(ordered) if later.flags]  # they have what vanished
    held = ChunkIds()
    keep: set[int] = set()
    used = 0
    for generation in dict.fromkeys([*ordered[:1], *older, *lately[-1:], *before_flagged, *lately]):
        new = ChunkIds(chunk for chunk in chunks(generation.number) if chunk not in held)
        more = sum(map(size, new))
        if keep and used + more > most:
            continue
        keep.add(generation.number)
        for chunk in new:
            held.add(chunk)
        used += more
    return keep
