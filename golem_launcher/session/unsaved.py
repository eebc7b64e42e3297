"""What a last save left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Unsaved:
    """To be told before, or after, an end."""

    words: str = ""
    """Empty when all is saved."""
    at_stake: bool = False
    """Whether an end loses it, so that it is worth asking again before."""


def kept_words(name: str, unsaved: str, grace: datetime, time: datetime, money: datetime | None) -> str:
    """What is at stake where a session was to end, and until when it is kept: till ``grace``, time or money is over."""
    ends, why = min(
        (grace, "even if something is not saved then"),
        (time, "when its time is over"),
        *([(money, "when its money is over")] if money is not None else []),
    )
    return (
        f"Not ended: {unsaved} It is kept until {ends.astimezone():%H:%M} and ends then, {why}; before that as soon as "
        f"all is saved. Download what you need, or end it all the same: golem-launcher stop {name} --force"
    )
