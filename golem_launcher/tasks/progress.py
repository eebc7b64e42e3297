"""How far a job of ``run`` or ``sweep`` is, by what its directory says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.networks import token_of
from golem_launcher.session.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.tasks.record import JobDirectory


def about(directory: JobDirectory) -> dict[str, Any]:
    """A job, as programs are told of it. For ``jobs`` and the page's cards. Blocking; reads its whole record."""
    description = directory.overview()
    tasks = len(description.sets or description.items) if description else 0
    done, failed, costs = set(), set(), _session_cost(directory)
    for line in directory.lines():
        if line.kind == "done":
            done.add(line.task)
        elif line.kind == "failed":
            failed.add(line.task)
        elif line.kind == "cost":
            costs.setdefault(line.session, Decimal(line.cost))
    unfinished = "incomplete" if tasks else "damaged"
    return {
        "job": directory.name,
        "by": "sweep" if description and description.sets else "run",
        "state": "running" if directory.busy else "done" if tasks and len(done) >= tasks else unfinished,
        "tasks": tasks,
        "done": len(done),
        "failed": len(failed - done),
        "cost": str(sum(costs.values(), Decimal(0))),
        "coin": token_of(description.request.network if description else "local"),
        "last": datetime.fromtimestamp(directory.changed, UTC),
        "output": description.output if description else "",
    }


def _session_cost(directory: JobDirectory) -> dict[str, Decimal]:
    """What the last session of a job has cost by now; the others are in its record."""
    try:
        state = session_directory(directory.name).state()
    except SessionError:
        return {}
    return {state.created_at.isoformat(): state.cost} if state.workload == "tasks" else {}
