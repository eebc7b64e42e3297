"""How a job that is being done is shown in a terminal: a table that lives, or a line for each thing that happens."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.tasks.events import (
    AttemptBegun,
    AttemptFailed,
    AttemptPrinted,
    MachineLetGo,
    MachineLost,
    MachineReady,
    SessionStarted,
    SetupFailed,
    TaskDone,
)
from golem_launcher.units import counted, duration, with_coin
from golem_launcher.untrusted_text import clean_line, clean_name, last_line

if TYPE_CHECKING:
    from decimal import Decimal
    from types import TracebackType
    from typing import Self

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.scheduler import Attempt, Worker

_REFRESH_SECONDS = 0.5
_SHOWN = 12
"""Failures of which the table tells the reason, the last ones."""


@dataclass
class _Machine:
    provider: str
    task: int | None = None
    attempt: int = 0
    began: float = 0.0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    says: str = ""
    gone: bool = False


@dataclass
class JobView:
    """Shows one run of a job. A context manager; pass ``told`` to the job's runner."""

    labels: list[str]
    coin: str = "GLM"
    cap: Decimal | None = None
    """What this run of it may cost."""
    done: int = 0
    """Before this run, and by now."""
    verify: int = 1
    session: SessionDirectory | None = None
    failed: dict[int, str] = field(default_factory=dict)
    by_provider: dict[str, _Machine] = field(default_factory=dict)
    _machines: dict[int, _Machine] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _first: float = 0.0
    _fresh: int = 0
    _attempts: Counter[int] = field(default_factory=Counter)
    _live: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._table, console=Console(stderr=True), refresh_per_second=1 / _REFRESH_SECONDS
            )
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def told(self, happened: JobEvent) -> None:
        """Show what the job's runner says. Called for each thing that happens."""
        match happened:
            case SessionStarted(name):
                self.say(f"The job is '{name}', for {with_coin(self.cap, self.coin)} at most. Machines are looked for.")
            case MachineReady(worker, provider_name):
                self._ready(worker, provider_name)
            case MachineLost(worker):
                self._left(worker, "is gone.")
            case MachineLetGo(worker):
                self._left(worker, "is let go of: there is nothing for it to do.")
            case SetupFailed(worker, reason):
                self._count_failure(worker)
                self.say(f"The setup failed: {reason}")
            case AttemptBegun(attempt):
                self._begun(attempt)
            case AttemptPrinted(attempt, log):
                self._printed(attempt.worker, log)
            case AttemptFailed(attempt, reason):
                self._failed(attempt, reason)
            case TaskDone(attempt, seconds):
                self._done(attempt, seconds)

    def say(self, text: str) -> None:
        """A line, above the table where there is one."""
        line = clean_line(text)
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def _ready(self, worker: Worker, provider_name: str) -> None:
        known = self.by_provider.get(worker.provider) or _Machine(clean_name(provider_name))
        known.gone = False
        self.by_provider[worker.provider] = self._machines[worker.machine] = known
        self.say(f"Machine {worker.machine} is ready at {known.provider}.")

    def _left(self, worker: Worker, how: str) -> None:
        known = self._machines.pop(worker.machine, None)
        if known is not None:
            known.task, known.gone = None, True
            self.say(f"{known.provider} {how}")

    def _begun(self, attempt: Attempt) -> None:
        known = self._machines.get(attempt.worker.machine)
        if known is not None:
            self._first = self._first or time.monotonic()
            known.task, known.attempt, known.began, known.says = attempt.task, attempt.number, time.monotonic(), ""
            self._attempts[attempt.task] += 1

    def _printed(self, worker: Worker, log: bytes) -> None:
        known = self._machines.get(worker.machine)
        if known is not None:
            known.says = last_line(log, longest=60) or known.says

    def _done(self, attempt: Attempt, took: float) -> None:
        known = self._machines.get(attempt.worker.machine)
        self.done += 1
        self._fresh += 1
        self.failed.pop(attempt.task, None)
        if known is not None:
            known.done, known.seconds, known.task = known.done + 1, known.seconds + took, None
            if self._live is None:
                label = self.labels[attempt.task]
                self.say(f"{self.done} of {len(self.labels)}: {label} at {known.provider}, {took:.1f} s")
        if self.done == len(self.labels):
            self.say("All is done. The machines are let go of, and their bills are waited for.")

    def _failed(self, attempt: Attempt, reason: str) -> None:
        known = self._count_failure(attempt.worker)
        self.failed[attempt.task] = reason
        where = f" at {known.provider}" if known is not None else ""
        self.say(f"{self.labels[attempt.task]} failed{where}: {reason}")

    def _count_failure(self, worker: Worker) -> _Machine | None:
        known = self._machines.get(worker.machine)
        if known is not None:
            known.task, known.failed = None, known.failed + 1
        return known

    def _table(self) -> Any:
        from rich.table import Table

        now = time.monotonic()
        table = Table(title=clean_line(self._summary(now)), title_justify="left", title_style="bold")
        for column in ("machine", "provider", "task", "attempt", "time", "done", "failed", "says"):
            table.add_column(column)
        for number, one in sorted(self._machines.items()):
            task = self.labels[one.task] if one.task is not None else "-"
            took = duration(now - one.began) if one.task is not None else ""
            attempt = str(one.attempt) if one.task is not None else ""
            row = (str(number), one.provider, task, attempt, took, str(one.done), str(one.failed), one.says)
            table.add_row(*(_plain(cell) for cell in row))
        return table

    def _summary(self, now: float) -> str:
        total = len(self.labels)
        parts = [f"{self.done} of {counted(total, 'task')} done, {duration(now - self._began)}"]
        if self._fresh and self.done < total:
            parts.append(f"about {duration((now - self._first) / self._fresh * (total - self.done))} left")
        if self.session is not None:
            state = self.session.state()
            parts.append(f"{state.cost:.4f} of {state.budget} {self.coin}")
        return ", ".join(parts)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
