"""Whether and how a session that lost its provider goes on with another, and what is said about it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, LauncherError, MarketError, ProviderError
from golem_launcher.events import ProviderLost, Stage
from golem_launcher.market.prices import glm

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.hire.choice import Choice
    from golem_launcher.session.hire.package import Rented
    from golem_launcher.session.pay.money import Money
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.term import Term

_LEAST_SECONDS = 30.0
"""With less time than this left, another provider would hardly be ready."""
SEARCH_SECONDS = 30.0
"""Another provider is looked for at least this long, whatever the market looks like at first: offers are renewed now
and then, all of them when a clock was set, and a provider that was lost may be back."""
_SEARCHING = {
    Stage.NEGOTIATING: "Looking for another provider.",
    Stage.DEPLOYING: "Another provider makes ready.",
    Stage.STARTING: "JupyterLab starts there.",
}
"""What is said of a stage that a session passes again because its provider was lost."""


class Recovery:
    """What happened to the provider that was lost last, from then on until another has taken over."""

    def __init__(self, request: LaunchRequest, *, choice: Choice, term: Term, money: Money, recorder: Recorder) -> None:
        self._request = request
        self._choice = choice
        self._term = term
        self._money = money
        self._recorder = recorder
        self._lost = ""
        """What happened, in words; empty while no provider is missing."""

    def enter(self, stage: Stage) -> None:
        """A stage of renting: one that is passed again is a part of recovering."""
        if self._lost:
            self._recorder.enter(Stage.RECOVERING, f"{self._lost} {_SEARCHING[stage]}")
        else:
            self._recorder.enter(stage)

    def begin(self, lost: Rented, error: ProviderError, *, overbilled: bool) -> None:
        """A provider is lost. Raises ``ProviderError`` when the session should not go on elsewhere."""
        if overbilled:
            self._choice.bar(lost.provider_id, lost.provider_name, error.what)
        else:
            self._choice.lost(lost.provider_id, lost.provider_name, error.what)
        self._recorder.event(ProviderLost(provider_name=lost.provider_name, reason=error.what))
        self._lost = f"The provider {lost.provider_name} was lost: {error.what}"
        refusal = self._refusal()
        if not refusal:  # before its loss is counted: no state shall show a session as ready whose provider was lost
            self.enter(Stage.NEGOTIATING)
        self._recorder.update(
            providers_lost=self._recorder.state.providers_lost + 1,
            activity_id=None,
            usage=None,
            money_ends_at=None,
            trouble="",
        )
        if refusal:
            raise ProviderError(self._lost, refusal)

    def _refusal(self) -> str:
        """Why no other provider is asked, in a sentence; empty when one is."""
        if not self._request.recover:
            return "Going on elsewhere is turned off for this session."
        if self._term.left < _LEAST_SECONDS:
            return "Its time was nearly over, so no other provider was asked."
        if self._money.left <= 0:
            return "The budget is used up, so no other provider was asked."
        return ""

    def look_again(self) -> None:
        """Let the choice see the market anew, for what is left of time and money; how providers stand is kept."""
        left = {"hours": self._term.hours_left, "budget": self._money.left}
        self._choice.request = self._request.model_copy(update=left)
        self._choice.seen.clear()
        self._choice.too_dear.clear()
        self._choice.unfit.clear()
        self._choice.suitable.clear()
        self._choice.unwanted.clear()

    def nobody_left(self, error: LauncherError) -> LauncherError:
        """Why the session ends after all, when ``error`` is why nobody took over."""
        others = self._choice.looked_at - self._choice.standing.reasons.keys()
        if others and others <= self._choice.too_dear.keys():
            left = glm(self._choice.request.budget)
            return BudgetError(
                f"{self._lost} What is left of the budget, {left}, does not pay for any other provider that fits.",
                "Start it again with a higher budget.",
            )
        if not others:
            return MarketError(
                f"{self._lost} There is no other provider that fits.", "Try again later, or ask for less."
            )
        return MarketError(f"{self._lost} Nobody took over: {error.what}", error.remedy)

    def end(self, name: str, files: str) -> str:
        """The session goes on at the provider ``name``: what the user reads of it, or nothing if none was lost.

        ``files`` says what became of the files.
        """
        lost, self._lost = self._lost, ""
        return (
            f"{lost} At {datetime.now(timezone.utc):%H:%M} UTC the session went on at {name}. {files}" if lost else ""
        )
