"""Extend: more time, more money, for a session that runs. All of it happens, or nothing and the reason is said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.errors import LauncherError, RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.market.prices import glm
from golem_launcher.request import parse_request

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.lab import LabClient
    from golem_launcher.session.pay.money import Money
    from golem_launcher.session.pay.yagna import YagnaRest
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.term import Term

_MOST = 10**12
_EXTENDABLE = {Stage.READY, Stage.SAVING, Stage.RECOVERING}


async def extend(
    arguments: dict[str, Any],
    *,
    request: LaunchRequest,
    term: Term,
    money: Money,
    rest: YagnaRest,
    recorder: Recorder,
    agent: LabClient | None,
    grace_seconds: float,
) -> dict[str, Any]:
    """Give the session ``hours`` and ``budget`` (GLM) more; the new deadline and budget.

    Raises ``LauncherError``. The agent is told first: should the money then be refused, it merely waits longer than
    the session, which ends at the old deadline as before.
    """
    hours, budget = _amount(arguments, "hours"), _amount(arguments, "budget")
    if not hours and not budget:
        raise RequestError("Say by how much: hours, budget or both.")
    state = recorder.state
    if state.stage not in _EXTENDABLE:
        raise SessionError(
            f"The session is {state.stage.value}; it can be extended once JupyterLab answers.", "Try again then."
        )
    deadline = term.deadline + timedelta(hours=float(hours))
    total = (deadline - state.created_at).total_seconds() / 3600
    within = {"hours": round(Decimal(total), 4), "budget": money.budget + budget}
    parse_request({**request.model_dump(), **within})  # the bounds of a request hold for what it becomes
    if hours:
        _check_term(term, deadline)
        if agent is not None and not await agent.move_deadline(term.left + float(hours) * 3600 + grace_seconds):
            raise SessionError(
                "The provider did not take the new deadline, so nothing was changed.", "Try again in a moment."
            )
    await money.extend(rest, money.budget + budget, term.allocation_ends(deadline))
    term.deadline = deadline
    told = clock.told(deadline)
    recorder.update(deadline=told, budget=money.budget)
    recorder.message(f"Extended: it ends at {told:%H:%M} UTC, and may cost {glm(money.budget)}.")
    return {"deadline": told.isoformat(), "budget": str(money.budget)}


def _check_term(term: Term, deadline: datetime) -> None:
    until = term.extendable_until
    if until is None or deadline <= until:
        return
    more = max((until - term.deadline).total_seconds() / 3600, 0.0)
    told = f"{clock.told(until):%Y-%m-%d %H:%M} UTC"
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
