"""Which generations are kept: all of the last hour, one an hour of the last day, one a day of the last month."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.workspace.generation import Generation

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
