"""Says in good time that a session is about to end: 10 and 2 minutes before its time or its money is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from golem_launcher import clock
from golem_launcher.events import EndsSoon

if TYPE_CHECKING:
    from golem_launcher.session.lifetime.deadline import Deadline
    from golem_launcher.session.reporting.recorder import Recorder

_MINUTES = (10, 2)


class Warnings:
    """Each warning once, and once more when the session was extended meanwhile."""

    def __init__(self, recorder: Recorder, deadline: Deadline) -> None:
        self._recorder = recorder
        self._deadline = deadline
        self._told: set[tuple[int, str]] = set()
        # A session made for five minutes need not hear that ten are left.
        self._told.update((minutes, "time") for minutes in _MINUTES if deadline.left <= minutes * 60)

    def look(self) -> None:
        """Warn when the end by time or money is near, once for each step. The head's monitor calls it each round."""
        self._look("time", self._deadline.left)
        ends = self._recorder.state.money_ends_at
        if ends is not None:
            left = (ends - clock.told(clock.now())).total_seconds()
            if left < self._deadline.left:
                self._look("money", left)

    def _look(self, why: Literal["time", "money"], left: float) -> None:
        due = [minutes for minutes in _MINUTES if left <= minutes * 60]
        news = [minutes for minutes in due if (minutes, why) not in self._told]
        self._told -= {(minutes, why) for minutes in _MINUTES if minutes not in due and left > (minutes + 1) * 60}
        self._told |= {(minutes, why) for minutes in due}
        if news:
            saving = self._recorder.state.saving
            at_stake = saving.at_stake if saving is not None else 0
            self._recorder.event(EndsSoon(minutes=min(news), why=why, at_stake=at_stake))
