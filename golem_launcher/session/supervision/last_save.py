"""The save before a session's end: what it left out, and how long the end is put off for that."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.session import timeouts
from golem_launcher.session.saving.saved_work import saved_words

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.session.context import Context

_CLOSING_SECONDS = 10.0
"""What the end itself takes, which costs as well."""
_SHARE = Decimal("0.05")
"""Of the budget: what it may cost that an end is put off."""
_HOUR = 3600


@dataclass(frozen=True)
class Unsaved:
    """What is not saved, told before an end or after it."""

    words: str = ""
    """Empty when all is saved."""
    patience: float = 0.0
    """For so many seconds the end is put off for it; none where an end loses nothing."""

    @property
    def at_stake(self) -> bool:
        """Whether an end would lose it, so that the user should be asked first."""
        return self.patience > 0


async def save_last(session: Context, seconds: float) -> Unsaved:
    """Save a session whose head is there a last time, within ``seconds`` and its money; what was not saved."""
    state = session.recorder.state
    grace = patience(session.money.budget, state.price_per_hour)
    paid = session.money.affords() - _CLOSING_SECONDS
    try:
        _, missing = await session.saves.save_all(max(min(seconds, paid), 1.0))
    except LauncherError as error:
        return Unsaved(f"{error.what} {saved_words(session.recorder.state.saving)}", grace)
    saving = session.recorder.state.saving
    left_out = saving.problem if saving is not None and saving.at_stake else ""
    # Of open documents only their pages know, in which a stranger's script may run: they are told, and no more.
    return Unsaved(" ".join(filter(None, (left_out, missing))), grace if left_out else 0.0)


def patience(budget: Decimal, price_per_hour: Decimal | None) -> float:
    """How many seconds an end may be put off. Not long: the provider, who is paid meanwhile, says what is not saved."""
    if not price_per_hour:
        return timeouts.GRACE
    return min(max(float(_SHARE * budget / price_per_hour) * _HOUR, timeouts.LEAST_GRACE), timeouts.GRACE)


def not_ended_words(name: str, unsaved: str, grace: datetime, time: datetime, money: datetime | None) -> str:
    """What is at stake where a session was to end, and until when it goes on: till ``grace``, time or money is over."""
    ends, why = min(
        (grace, "even if something is not saved then"),
        (time, "when its time is over"),
        *([(money, "when its money is over")] if money is not None else []),
    )
    return (
        f"Not ended: {unsaved} It goes on until {ends.astimezone():%H:%M %Z} and ends then, {why}; before that as soon "
        f"as all is saved. Download what you need, or end it all the same: golem-launcher stop {name} --force"
    )
