"""How far a job of ``run`` or ``sweep`` is, by what its directory says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.networks import DEFAULT, token_of
from golem_launcher.session.on_disk.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.tasks.record import JobDirectory, Line

_MOST_REASONS = 100
"""So many failures are remembered with why."""


@dataclass
class Provided:
    """What one provider did for a job, in numbers."""

    name: str = ""
    done: int = 0
    failed: int = 0
    """Attempts that came to nothing."""
    seconds: float = 0.0
    """Of work that was taken."""


@dataclass
class Tally:
    """Which tasks of a job are done, which were given up and not done since, and who is at which."""

    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    running: dict[int, str] = field(default_factory=dict)
    """The provider that has it, by task; means nothing once nobody is at the job."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why tasks failed, of those that failed last."""
    providers: dict[str, Provided] = field(default_factory=dict)
    first_given: float = 0.0
    """When this run of it gave out its first task; 0 while it has none."""
    fresh: int = 0
    """How many this run has done."""

    def count(self, line: Line) -> bool:
        """Take in a line of its record; whether a task is done by it that was not before."""
        match line.kind:
            case "begun":
                self.running.clear()
                self.first_given, self.fresh = 0.0, 0
            case "given":
                self.running[line.task] = line.provider
                self.failed.discard(line.task)
                self.first_given = self.first_given or line.at
                provider = self.providers.setdefault(line.provider, Provided())
                provider.name = line.provider_name or provider.name
            case "back":
                self._returned(line)
                self.providers.setdefault(line.provider, Provided()).failed += 1
            case "lost":
                for task in [task for task, provider in self.running.items() if provider == line.provider]:
                    del self.running[task]
            case "done":
                return self._finished(line)
            case "failed":
                self._returned(line)
                if line.task not in self.done:
                    self.failed.add(line.task)
                    self.reasons[line.task] = line.reason
                    if len(self.reasons) > _MOST_REASONS:
                        del self.reasons[next(iter(self.reasons))]
        return False

    def _returned(self, line: Line) -> None:
        if not line.provider or self.running.get(line.task) == line.provider:
            self.running.pop(line.task, None)

    def _finished(self, line: Line) -> bool:
        self.running.pop(line.task, None)
        self.failed.discard(line.task)
        self.reasons.pop(line.task, None)
        if line.task in self.done:
            return False
        self.done.add(line.task)
        self.fresh += 1
        provider = self.providers.setdefault(line.provider, Provided())
        provider.done, provider.seconds = provider.done + 1, provider.seconds + line.seconds
        return True


@dataclass
class Follower:
    """Reads the record of one job again and again, and of it only what is new. Blocking."""

    directory: JobDirectory
    tally: Tally = field(default_factory=Tally)
    _offset: int = 0

    def poll(self) -> list[tuple[Line, bool]]:
        """The new lines, each with whether a task is done by it that was not before; the tally has them then."""
        found: list[tuple[Line, bool]] = []
        before = -1
        while self._offset != before:
            before = self._offset
            lines, self._offset = self.directory.lines_from(before)
            found += [(line, self.tally.count(line)) for line in lines]
        return found


def about(directory: JobDirectory) -> dict[str, Any]:
    """A job, as programs are told of it. For ``jobs``. Blocking; reads its whole record."""
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
        "coin": token_of(description.request.network if description else DEFAULT),
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
