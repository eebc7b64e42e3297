"""A provider that was lost: what is said of it, whether another is asked, and why the session ends where none is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, MarketError
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from golem_launcher.errors import LauncherError
    from golem_launcher.session.context import Prepared

_LEAST_SECONDS = 30.0
"""With less time than this left, another provider would hardly be ready."""


@dataclass(frozen=True)
class Loss:
    """A machine that was lost, and has no other in its place yet."""

    words: str
    """What happened."""
    files: str
    """What became of the files."""

    def made_good(self, name: str) -> str:
        """What the user reads once the session goes on at the provider ``name``."""
        return f"{self.words} At {datetime.now(UTC).astimezone():%H:%M %Z} the session went on at {name}. {self.files}"


def why_no_other(session: Prepared) -> str:
    """Why no other provider is asked, in a sentence; empty when one is."""
    if not session.request.recover:
        return "Going on elsewhere is turned off for this session."
    if session.deadline.left < _LEAST_SECONDS:
        return "Its time was nearly over, so no other provider was asked."
    if session.money.left <= 0:
        return "The budget is used up, so no other provider was asked."
    return ""


def nobody_left(session: Prepared, lost: str, error: LauncherError) -> LauncherError:
    """Why the session ends after all, when ``error`` is why nobody took over."""
    choice = session.choice
    others = choice.looked_at - choice.backoff.reasons.keys()
    if others and others <= choice.too_dear.keys():
        left = with_coin(choice.request.budget, session.network.token)
        return BudgetError(
            f"{lost} What is left of the budget, {left}, does not pay for any other provider that fits.",
            "Start it again with a higher budget.",
        )
    if not others:
        return MarketError(f"{lost} There is no other provider that fits.", "Try again later, or ask for less.")
    return MarketError(f"{lost} Nobody took over: {error.what}", error.remedy)
