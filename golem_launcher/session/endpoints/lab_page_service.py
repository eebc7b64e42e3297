"""What JupyterLab's pages are told of their session, and what they may ask for: a page asks, the user decides.

The figures are this side's own: no provider has a part in them. In a page, though, a stranger's scripts may run. So
what it asks for that costs or ends something is only written down, until the user says yes or no on the launcher's
page or by a command. The most that a page can do by itself is a save now and then, which happens anyway, and to keep a
session that would be stopped because nobody uses it, within the time and the money that its user gave it.
"""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.events import LabAsks, Stage
from golem_launcher.networks import token_of
from golem_launcher.session.reporting.burn_rate import BurnRate
from golem_launcher.units import coins_at_a_glance, counted, data_size, with_coin
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.events import Usage
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session_state import SessionState

HOURS = (1, 2, 5)
"""So many more may be asked for."""
SAVE_SECONDS = 10.0
"""Between two saves that pages ask for."""
_ASKED_SECONDS = 600.0
"""What nobody says yes or no to is forgotten then."""
_AGAIN_SECONDS = 60.0
"""After a no, and between two questions: a page must not be able to keep asking its user."""
_MOVED_SECONDS = 300.0
"""So long it is told how a move was over."""
_GIB = 2**30
_MOST_MACHINES = 32
_RUNNING = {Stage.READY, Stage.RECOVERING}


class LabPageService:
    """Where the pages of one session's Lab are told and heard."""

    def __init__(self, request: LaunchRequest, recorder: Recorder) -> None:
        self._request = request
        self._recorder = recorder
        self._coin = token_of(request.network)
        self._burn_rate = BurnRate()
        self._saved_at = self._asked_at = float("-inf")
        self._answer = ""
        """What became of what was asked for last, in a sentence without its end; empty while it waits."""
        self.save_wanted = asyncio.Event()
        """Set when a page has asked for a save; whoever sees to it clears it."""

        self.keep_running_wanted = asyncio.Event()
        """Likewise when somebody at a page wants the session to go on though it is not used."""

    def follow(self) -> None:
        """Note what the session costs by now, and forget what was asked for long ago. Called every second."""
        state = self._recorder.state
        self._burn_rate.add(clock.since_boot(), float(state.cost))
        if state.asked is not None and clock.since_boot() - self._asked_at > _ASKED_SECONDS:
            self._end_question("Nobody said yes or no")
        if state.asked is None and self._again_in <= 0:
            self._answer = ""

    def look(self) -> dict[str, Any]:
        """The session as its pages show it: figures in words, and moments as seconds from now."""
        state = self._recorder.told()
        now = clock.told(clock.now())
        ends, why = _end(state)
        rate = self._burn_rate.per_hour
        spent = f"{coins_at_a_glance(state.cost)} of {with_coin(state.budget, self._coin)}"
        saving = state.saving
        return {
            "name": state.name,
            "begun": state.created_at.isoformat(),
            "stage": state.stage.value,
            "trouble": " ".join(filter(None, (state.trouble, state.stalled, state.not_ended))),
            "doing": clean_line(_doing(state, now)),
            "left": None if ends is None else round((ends - now).total_seconds(), 1),
            "ends": "" if ends is None else f"{why} at {ends.astimezone():%H:%M %Z}",
            "spent": spent,
            "rate": "" if rate is None else f"{coins_at_a_glance(Decimal(str(rate)))} {self._coin} an hour lately",
            "saved": None if saving is None or saving.saved_at is None else (now - saving.saved_at).total_seconds(),
            "saves": saving is not None,
            "files": "" if saving is None else f"{counted(saving.files, 'file')}, {data_size(saving.bytes)}",
            "problem": "" if saving is None else saving.problem,
            "unsaved": state.unsaved,
            "used": self._used(state.head.usage),
            "machines": [
                f"{one.name}: {one.trouble or one.stage.value}" for one in state.machines_in_use[:_MOST_MACHINES]
            ],
            "extend": [self._choice(state, hours) for hours in HOURS],
            "room": _room(state.extendable_until),
            "idle": "" if state.idle_ends_at is None else state.idle,
            "asked": "" if state.asked is None else self._waits(state.asked),
            "answer": f"{self._answer}." if self._answer else "",
        }

    def hear(self, asked: object) -> str:
        """Take what a page asks for, anything at all; the answer to whoever is in front of it."""
        state = self._recorder.state
        if state.stage not in _RUNNING:
            return "The session is not running."
        if asked == {"what": "save"}:
            return self._save(state)
        if asked == {"what": "keep-running"}:
            self.keep_running_wanted.set()
            return "It goes on."
        question = _question(asked)
        return "There is no such thing to ask for." if question is None else self._put(question, state)

    def _save(self, state: SessionState) -> str:
        if state.saving is None:
            return "Nothing of this session is saved: it was started so."
        if clock.since_boot() - self._saved_at >= SAVE_SECONDS:
            self._saved_at = clock.since_boot()
            self.save_wanted.set()
        return "Saving."

    def _put(self, question: LabAsks, state: SessionState) -> str:
        """Have the user asked, unless that was done a moment ago, or they are about to answer something else."""
        if state.asked is not None:
            return self._waits(state.asked)
        if self._again_in > 0:
            return f"{self._answer} a moment ago; ask again in {math.ceil(self._again_in)} s."
        self._asked_at, self._answer = clock.since_boot(), ""
        self._recorder.update(asked=question)
        self._recorder.event(question)
        return self._waits(question)

    def agreed(self, *kinds: str) -> None:
        """The user has done what of one of these ``kinds`` was asked for, be it on the page or by a command."""
        asked = self._recorder.state.asked
        if asked is not None and asked.what in kinds:
            self._end_question("You said yes")

    def declined(self) -> None:
        """The user has said no to what is asked for."""
        if self._recorder.state.asked is not None:
            self._end_question("You said no")

    def _end_question(self, answer: str) -> None:
        self._answer = answer
        self._recorder.update(asked=None)

    @property
    def _again_in(self) -> float:
        """Seconds until something else may be asked for."""
        return self._asked_at + _AGAIN_SECONDS - clock.since_boot()

    def _waits(self, question: LabAsks) -> str:
        return f"Say yes to {question.words} on the launcher's page, or by: {question.yes(self._request.name)}"

    def _choice(self, state: SessionState, hours: int) -> dict[str, Any]:
        price, until = state.price_per_hour, state.extendable_until
        cost = "" if price is None else f"at most {coins_at_a_glance(price * hours)} {self._coin}"
        room = until is None or state.deadline is None or state.deadline + timedelta(hours=hours) <= until
        return {"hours": hours, "cost": cost, "possible": room}

    def _used(self, usage: Usage | None) -> list[tuple[str, str]]:
        if usage is None:
            return []
        request = self._request
        found = [
            ("CPU", f"{usage.cpu_percent:.0f} % of {counted(request.cpus, 'core')}"),
            ("Memory", f"{data_size(usage.memory_bytes)} of {data_size(request.memory_gib * _GIB)}"),
            ("Disk", f"{data_size(usage.disk_bytes)} of {data_size(request.disk_gib * _GIB)}"),
        ]
        if usage.gpu_percent is not None:
            memory = "" if usage.gpu_memory_bytes is None else f", {data_size(usage.gpu_memory_bytes)} of its memory"
            found.append(("GPU", f"{usage.gpu_percent:.0f} %{memory}"))
        return found


def _doing(state: SessionState, now: datetime) -> str:
    """What happens to the session's machine, in a sentence: a loss, a move, or how that was over a moment ago."""
    move = state.move
    if move is not None and not move.over:
        at_once = "At once: interrupt them, or press Move now on the launcher's page."
        return f"{move.words} {at_once}" if move.stage == "waiting" else move.words
    if state.stage is Stage.RECOVERING:
        return state.reason
    if move is None or move.over_at is None or (now - move.over_at).total_seconds() > _MOVED_SECONDS:
        return ""
    if move.stage == "failed":
        return move.words
    if move.agreement_id != state.head.agreement_id:  # it has gone on elsewhere since
        return ""
    back = "; variables come back with your next cell" if state.variables else ""
    return f"Now at {move.provider_name}{back}."


def _room(until: datetime | None) -> str:
    """Why there may be less time to ask for than somebody wants; empty where there is no such end."""
    return "" if until is None else f"This provider can be kept until {until.astimezone():%H:%M %Z}."


def _question(asked: object) -> LabAsks | None:
    what, hours = (asked.get("what"), asked.get("hours")) if isinstance(asked, dict) else (None, None)
    if what in ("end", "move", "gpu"):
        return LabAsks(what=what)
    if what == "extend" and isinstance(hours, int) and hours in HOURS:
        return LabAsks(what="extend", hours=hours)
    return None


def _end(state: SessionState) -> tuple[datetime | None, str]:
    """When the session ends by itself, and what is over then."""
    time, money = state.deadline, state.money_ends_at
    if money is not None and (time is None or money < time):
        return money, "its budget is used up"
    return time, "its time is over"
