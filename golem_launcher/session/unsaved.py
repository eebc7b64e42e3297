"""What the last save of a session left out, and how long its end is put off for that."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.session import timeouts

if TYPE_CHECKING:
    from datetime import datetime

_SHARE = Decimal("0.05")
"""Of the budget: what it may cost that an end is put off."""
_HOUR = 3600


@dataclass(frozen=True)
class Unsaved:
    """What is not saved, told before an end or after it."""

    words: str = ""
    """Empty when all is saved."""
    patience: float = 0.0
    """For so many seconds a session that was to end is kept for it; none where an end loses nothing."""

    @property
    def at_stake(self) -> bool:
        """Whether an end would lose it, so that the user should be asked first."""
        return self.patience > 0


def patience(budget: Decimal, price_per_hour: Decimal | None) -> float:
    """How many seconds an end may be put off. Not long: the provider, who is paid meanwhile, says what is not saved."""
    if not price_per_hour:
        return timeouts.GRACE
    return min(max(float(_SHARE * budget / price_per_hour) * _HOUR, timeouts.LEAST_GRACE), timeouts.GRACE)


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
