"""Whether and how a session that lost its provider goes on with another, and what is said about it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, LauncherError, MarketError, ProviderError
from golem_launcher.market.prices import glm

if TYPE_CHECKING:
    from decimal import Decimal

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.choice import Choice

_LEAST_SECONDS = 30.0
"""With less time than this left, another provider would hardly be ready."""


def check_worthwhile(lost: str, request: LaunchRequest, *, seconds: float, money: Decimal) -> None:
    """Raise ``ProviderError`` when the session should not go on elsewhere. ``lost`` says what happened."""
    if not request.recover:
        raise ProviderError(lost, "Going on elsewhere is turned off for this session.")
    if seconds < _LEAST_SECONDS:
        raise ProviderError(lost, "Its time was nearly over, so no other provider was asked.")
    if money <= 0:
        raise ProviderError(lost, "The budget is used up, so no other provider was asked.")


def narrow(choice: Choice, request: LaunchRequest, *, hours: Decimal, money: Decimal) -> None:
    """Let the choice look at the market anew, for what is left of time and money; who failed stays excluded."""
    choice.request = request.model_copy(update={"hours": hours, "budget": money})
    choice.seen.clear()
    choice.too_dear.clear()
    choice.unfit.clear()
    choice.unwanted.clear()


def nobody_left(lost: str, choice: Choice, error: LauncherError, *, money: Decimal) -> LauncherError:
    """Why the session ends after all: ``lost`` says what happened, ``error`` why nobody took over."""
    others = choice.seen - choice.excluded.keys()
    if others and others <= choice.too_dear.keys():
        return BudgetError(
            f"{lost} What is left of the budget, {glm(money)}, does not pay for any other provider that fits.",
            "Start it again with a higher budget.",
        )
    if not others:
        return MarketError(f"{lost} There is no other provider that fits.", "Try again later, or ask for less.")
    return MarketError(f"{lost} Nobody took over: {error.what}", error.remedy)


def went_on(lost: str, name: str, files: str) -> str:
    """What the user reads once the session goes on; ``files`` says what became of the files."""
    return f"{lost} At {datetime.now(timezone.utc):%H:%M} UTC the session went on at {name}. {files}"
