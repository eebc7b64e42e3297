"""How far a job of ``run`` or ``sweep`` is, by what its directory says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.networks import token_of
from golem_launcher.session.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.tasks.record import JobDirectory, Line


@dataclass
class Tally:
    """Which tasks of a job are done, and which were given up and not done since."""

    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    def count(self, line: Line) -> bool:
        """Take in a line of its record; whether a task is done by it that was not before."""
        if line.kind == "done":
            self.failed.discard(line.task)
            is_new = line.task not in self.done
            self.done.add(line.task)
            return is_new
        if line.kind == "failed" and line.task not in self.done:
            self.failed.add(line.task)
        return False


def about(directory: JobDirectory) -> dict[str, Any]:
    """A job, as programs are told of it. For ``jobs`` and the page's cards. Blocking; reads its whole record."""
    description = directory.overview()
    tasks = description.tasks if description else 0
    tally, costs = Tally(), _session_cost(directory)
    for line in directory.lines():
        tally.count(line)
        if line.kind == "cost":
            costs.setdefault(line.session, Decimal(line.cost))
    unfinished = "incomplete" if tasks else "damaged"
    return {
        "job": directory.name,
        "by": "sweep" if description and description.sets else "run",
        "state": "running" if directory.busy else "done" if tasks and len(tally.done) >= tasks else unfinished,
        "tasks": tasks,
        "done": len(tally.done),
        "failed": len(tally.failed),
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
