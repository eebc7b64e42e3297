"""What the sessions of a job cost, wherever they lie by now: its budget is for all of them together."""

from __future__ import annotations

import contextlib
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionNotFound, UsedUp
from golem_launcher.networks import token_of
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.cleanup.session_history import all_sessions
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.bill import Bill
from golem_launcher.tasks.record import JobRecord, Line
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.tasks.record import JobDirectory


_SMALLEST = Decimal("0.000001")
"""GLM; a budget has no more digits."""


def left(job: JobDirectory, request: LaunchRequest) -> Decimal:
    """What is left of the budget in a job's ``request`` for what is still to be done. Called before its work.

    Blocking; raises ``UsedUp`` where nothing is, and ``OSError``.
    """
    _note_earlier(job)
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
    if not _was_begun(lines):
        return Decimal(0)
    known = {line.session: Decimal(line.cost) for line in lines if line.kind == "cost"}
    earlier = {line.session for line in lines if line.kind == "earlier"}
    found = dict(_found(job.name, earlier))
    with contextlib.closing(JobRecord(job)) as record:
        for session, cost in found.items():
            if known.get(session) != cost:
                record.add(Line(kind="cost", session=session, cost=str(cost)), sure=True)
    return sum((known | found).values(), Decimal(0))


def _note_earlier(job: JobDirectory) -> None:
    """Write down which sessions of its name are another job's: those before it was begun, whatever clocks say."""
    lines = list(job.lines())
    if _was_begun(lines):
        return
    with contextlib.closing(JobRecord(job)) as record:
        known = {line.session for line in lines}
        for session in dict.fromkeys(created.isoformat() for created, _ in all_sessions().of_name(job.name)):
            if session not in known:
                record.add(Line(kind="earlier", session=session), sure=True)


def _was_begun(lines: Iterable[Line]) -> bool:
    return any(line.kind == "begun" for line in lines)


def _found(name: str, but: Container[str]) -> Iterator[tuple[str, Decimal]]:
    """The sessions of that name that are over, ``but`` for some, by when they were created, and what each cost."""
    for created_at, found in all_sessions().of_name(name):
        created = created_at.isoformat()
        if created in but:
            continue
        if isinstance(found, Bill):
            yield created, found.cost
            continue
        with contextlib.suppress(SessionNotFound):  # removed meanwhile
            if found.state().workload == "tasks" and not liveness.alive(found):
                yield created, _cost(found)


def _cost(directory: SessionDirectory) -> Decimal:
    """What a session cost; its whole budget if its supervisor is dead and something may still run at its node."""
    leftovers.close(directory, start_node=True)
    state = directory.state()
    return state.budget if leftovers.may_cost_more(directory) else state.cost
