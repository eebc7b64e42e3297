"""The end of a session, moved: by its user, who gives it more time or money, or by a clock that was set."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.errors import LauncherError, RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.networks import token_of
from golem_launcher.request import parse_request
from golem_launcher.session import timeouts
from golem_launcher.session.lifetime.deadline import AGENT_GRACE_SECONDS
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.payment.money import Money
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.lifetime.deadline import Deadline
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.workload.base import Workload

_LOG = logging.getLogger(__name__)

_MOST = 10**12
_EXTENDABLE = {Stage.READY, Stage.SAVING, Stage.RECOVERING}
_CLOCK_SET_SECONDS = 60.0
"""The time of day may go apart from our clock by less, little by little."""


class Extension:
    """Moves the end of one session, for all who know of it: the state, the agent over there, the node's allocation."""

    def __init__(
        self, request: LaunchRequest, workload: Workload, *, deadline: Deadline, money: Money, recorder: Recorder
    ) -> None:
        self._request = request
        self._workload = workload
        self._deadline = deadline
        self._money = money
        self._recorder = recorder
        self._turn = asyncio.Lock()
        """Of two at once, the second extends what the first has made."""
        self._set_forth = clock.set_forth()
        """The time of day against our clock, as last looked at."""

    async def extend(
        self,
        arguments: dict[str, Any],
        rest: YagnaRest,
        agent: WorkloadClient | None,
        others: Sequence[WorkloadClient] = (),
    ) -> dict[str, Any]:
        """Give the session ``hours`` and ``budget`` (in the network's coin) more: all of it, or nothing.

        The new deadline and budget.

        Called for the command of this name; ``agent`` is the head's, while there is one. ``others`` are told as well,
        and one that does not take it is replaced when it ends. Raises ``LauncherError``. The agent is told first:
        should the money then be refused, it merely waits longer than the session, which ends at the old deadline as
        before.
        """
        try:
            async with asyncio.timeout(timeouts.EXTEND), self._turn:
                told = await self._extend(arguments, rest, agent, others)
        except TimeoutError:
            raise SessionError(
                "The node and the provider took too long to answer, so nothing was changed.", "Try again in a moment."
            ) from None
        await self._recorder.flush()
        return told

    async def mind_clock(self, rest: YagnaRest) -> None:
        """Whether the time of day was set: what others know of moments is then told anew, at the node and to people.

        Called every few seconds, and before anything is agreed with a provider.
        """
        forth = clock.set_forth()
        by = forth - self._set_forth
        if abs(by) < _CLOCK_SET_SECONDS:
            return
        self._set_forth = forth
        until = self._deadline.extendable_until
        ends = clock.told(self._deadline.at)
        self._recorder.update(deadline=ends, extendable_until=None if until is None else clock.told(until))
        way = "forth" if by > 0 else "back"
        self._recorder.message(
            f"The clock of this computer was set {way} by {timedelta(seconds=round(abs(by)))}. The session goes by the "
            f"time that really passed: it ends at {ends.astimezone():%Y-%m-%d %H:%M %Z} now.",
            "warning",
        )
        try:
            async with self._turn:
                await self._money.extend(rest, self._money.budget, self._deadline.allocation_ends())
        except LauncherError as error:
            _LOG.warning("the allocation keeps its old end: %s", error)

    async def _extend(
        self, arguments: dict[str, Any], rest: YagnaRest, agent: WorkloadClient | None, others: Sequence[WorkloadClient]
    ) -> dict[str, Any]:
        deadline, money, recorder = self._deadline, self._money, self._recorder
        hours, budget = _amount(arguments, "hours"), _amount(arguments, "budget")
        if not hours and not budget:
            raise RequestError("Say by how much: hours, budget or both.")
        state = recorder.state
        if state.stage not in _EXTENDABLE:
            ready = f"once {self._workload.title} answers"
            raise SessionError(f"The session is {state.stage.value}; it can be extended {ready}.", "Try again then.")
        new_end = deadline.at + timedelta(hours=float(hours))
        total = (new_end - state.created_at).total_seconds() / 3600
        within = {"hours": round(Decimal(total), 4), "budget": money.budget + budget}
        parse_request({**self._request.model_dump(), **within})  # the bounds of a request hold for what it becomes
        if hours:
            _check_agreement(deadline, new_end)
            seconds = deadline.left + float(hours) * 3600 + AGENT_GRACE_SECONDS
            if agent is not None and not await agent.move_deadline(seconds):
                raise SessionError(
                    "The provider did not take the new deadline, so nothing was changed.", "Try again in a moment."
                )
            await asyncio.gather(*(other.move_deadline(seconds) for other in others))
        await money.extend(rest, money.budget + budget, deadline.allocation_ends(new_end))
        deadline.at = new_end
        told, amount = clock.told(new_end), with_coin(money.budget, token_of(self._request.network))
        recorder.update(deadline=told, budget=money.budget)
        recorder.message(f"Extended: it ends at {told.astimezone():%H:%M %Z}, and may cost {amount}.")
        return {"deadline": told.isoformat(), "budget": str(money.budget)}


def _check_agreement(deadline: Deadline, new_end: datetime) -> None:
    until = deadline.extendable_until
    if until is None or new_end <= until:
        return
    more = max((until - deadline.at).total_seconds() / 3600, 0.0)
    told = f"{clock.told(until).astimezone():%Y-%m-%d %H:%M %Z}"
    raise LauncherError(
        f"The agreement with this provider has room until {told}: {more:.1f} hours more at most.",
        "Extend by less; afterwards, start a new session that resumes this workspace.",
    )


def _amount(arguments: dict[str, Any], name: str) -> Decimal:
    value = arguments.get(name)
    if value is None:
        return Decimal(0)
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise RequestError(f"'{str(value)[:40]}' is no number.", field=name)
    if amount > _MOST:
        raise RequestError(f"'{str(value)[:40]}' is too much.", field=name)
    if amount < 0:
        raise RequestError("A session can only be extended, not shortened: give a number above 0.", field=name)
    return amount
