"""What the sessions of a job cost, wherever they lie by now: its budget is for all of them together."""

from __future__ import annotations

import contextlib
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionNotFound, UsedUp
from golem_launcher.networks import token_of
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.cleanup.all_sessions import all_sessions
from golem_launcher.session.on_disk import liveness
from golem_launcher.tasks.record import JobRecord, Line
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.tasks.record import JobDirectory


_SMALLEST = Decimal("0.000001")
"""GLM; a budget has no more digits."""


def left(job: JobDirectory, request: LaunchRequest) -> Decimal:
    """What is left of the budget in a job's ``request`` for what is still to be done. Called before its work.

    Blocking; raises ``UsedUp`` where nothing is, and ``OSError``.
    """
    cost = spent(job)
    rest = (request.budget - cost).quantize(_SMALLEST, ROUND_DOWN)
    if rest <= 0:
        raise UsedUp(
            f"The job has cost {with_coin(cost, token_of(request.network))}, which is all of its budget.",
            f"Give it more: --resume {job.name} --budget …",
            field="budget",
        )
    return rest


def spent(job: JobDirectory) -> Decimal:
    """What the job's sessions that are over cost, at most; written into its record. Called before and after its work.

    What such a session left at its node is closed down first. Blocking; raises ``OSError``.
    """
    lines = list(job.lines())
    known = {line.session: Decimal(line.cost) for line in lines if line.kind == "cost"}
    since = min((line.at for line in lines if line.kind == "begun"), default=0.0)  # before, the name was another job's
    found = dict(_found(job.name, since))
    with contextlib.closing(JobRecord(job)) as record:
        for session, cost in found.items():
            if known.get(session) != cost:
                record.add(Line(kind="cost", session=session, cost=str(cost)), sure=True)
    return sum((known | found).values(), Decimal(0))


def _found(name: str, since: float) -> Iterator[tuple[str, Decimal]]:
    """The sessions of that name that are over, by when they were created, and what each cost."""
    every = all_sessions()
    for bill in every.bills:
        if bill.session == name and bill.created_at.timestamp() >= since:
            yield bill.created_at.isoformat(), bill.cost
    for directory in every.directories:
        with contextlib.suppress(SessionNotFound):  # removed meanwhile
            state = directory.state()
            is_its_own = state.name == name and state.workload == "tasks" and state.created_at.timestamp() >= since
            if is_its_own and not liveness.alive(directory):
                yield state.created_at.isoformat(), _cost(directory)


def _cost(directory: SessionDirectory) -> Decimal:
    """What a session cost; its whole budget if its supervisor is dead and something may still run at its node."""
    leftovers.close(directory, start_node=True)
    state = directory.state()
    return state.budget if leftovers.may_cost_more(directory) else state.cost
