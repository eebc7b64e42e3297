"""A provider that was lost: what is said of it, whether another is asked, and why the session ends where none is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, MarketError
from golem_launcher.units import with_coin
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.errors import LauncherError
    from golem_launcher.session.context import Prepared

_LEAST_SECONDS = 30.0
"""With less time than this left, another provider would hardly be ready."""
_CODES = {
    "DebitNoteNotPaid": "it says that what was due was not paid in time (see: golem-launcher wallet, doctor)",
    "DebitNotesDeadline": "it says that its bills were not accepted in time",
    "DebitNoteRejected": "it says that one of its bills was rejected",
    "DebitNoteCancelled": "it says that one of its bills was cancelled",
    "RequestorUnreachable": "it says that your node could not be reached",
    "NoActivity": "it says that nothing was asked of it for too long",
    "Expired": "it says that its time was over",
    "Shutdown": "it shuts down",
}
"""What Golem's providers give as reasons, in words for the user."""


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


def termination_reason(said: Mapping[str, object]) -> str:
    """What a provider said when it ended an agreement, as the end of a sentence; empty where it said nothing.

    ``said`` is a stranger's.
    """
    words = _CODES.get(str(said.get("golem.provider.code")))
    if words is not None:
        return f": {words}"
    message = clean_line(str(said.get("message") or ""), longest=200)
    return f" ({message})" if message else ""


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
