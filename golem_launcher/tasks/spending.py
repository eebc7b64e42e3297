"""What the sessions of a job cost, wherever they lie by now: its budget is for all of them together."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionNotFound
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.cleanup.all_sessions import all_sessions
from golem_launcher.session.on_disk import liveness
from golem_launcher.tasks.record import JobRecord, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.tasks.record import JobDirectory


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
