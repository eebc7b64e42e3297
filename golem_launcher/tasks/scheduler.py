"""Decides which worker gets which task, and when a task is done. Knows nothing of networks, files or time.

A task is given out until as many owners of providers agree on its result as are to (``verify``), or until it failed as
often as it may (``attempts``). An attempt is heard once: whatever comes of one that was given up is nothing.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STRIKES = 2
"""So often a provider may fail before it is left."""


class Fault(Enum):
    """Whose fault it is that an attempt came to nothing."""

    PROVIDER = "provider"
    """Certainly the provider's: it alone does not answer, or breaks the rules. It is left."""
    REJECTED = "rejected"
    """The user's checker did not take its result. It counts against the provider."""
    OPEN = "open"
    """The program failed, or took too long: it counts once somebody else could do the same task."""
    FINAL = "final"
    """A function raised, which is its answer: nobody else is asked."""
    NOBODY = "nobody"
    """The machine is gone, was let go of, or is out of reach."""


class ResultVerdict(Enum):
    """What the scheduler makes of the result of an attempt."""

    ACCEPTED = "accepted"
    """It is the task's result; no other will be."""
    COUNTED = "counted"
    """Others are to come to the same one first."""
    REFUSED = "refused"
    """The task failed: too many results, and no two alike."""
    STALE = "stale"
    """Nobody waits for it any more."""


@dataclass(frozen=True)
class Worker:
    """A machine at a provider, from when it is ready until it is lost."""

    machine: int
    provider: str
    """Its node id."""
    agreement: str
    wallet: str = ""
    """Who is paid for it, as its offer says; empty where it does not."""

    @property
    def owner(self) -> str:
        """Whose word is one, however many providers they run."""
        return self.wallet or self.provider


@dataclass(frozen=True)
class Attempt:
    """A task that was given to a worker."""

    task: int
    number: int
    """From 1 on, of all attempts at this task."""
    worker: Worker


@dataclass
class _Task:
    given: int = 0
    running: list[Attempt] = field(default_factory=list)
    votes: dict[str, list[Worker]] = field(default_factory=dict)
    """Who came to each result, by its digest; no two of one owner."""
    failures: list[tuple[str, str, Fault]] = field(default_factory=list)
    """Provider, reason, fault; those that count as attempts."""
    lost: int = 0
    """How many of its attempts ended with the machine that they ran at."""
    over: bool = False
    wanted: int = 0
    """How many more attempts at it could be given out now, as they are counted."""

    @property
    def lead(self) -> int:
        return max((len(workers) for workers in self.votes.values()), default=0)

    @property
    def failed_at(self) -> set[str]:
        return {provider for provider, _, _ in self.failures}

    @property
    def asked(self) -> set[str]:
        """The owners."""
        voted = {worker.owner for workers in self.votes.values() for worker in workers}
        return voted | {attempt.worker.owner for attempt in self.running}


class Scheduler:
    """The tasks of one job and its workers. Not for several threads."""

    def __init__(self, tasks: Iterable[int] = (), *, attempts: int = 3, verify: int = 1) -> None:
        self._attempts = attempts
        self._verify = verify
        self._tasks: dict[int, _Task] = {}
        self._open: OrderedDict[int, _Task] = OrderedDict()
        """Those that may want another attempt, the first to be given first."""
        self.wanted = 0
        """How many attempts could be given out now, if there were workers for all."""
        self._under_way: set[Attempt] = set()
        self._workers: set[Worker] = set()
        self._strikes: Counter[str] = Counter()
        self.left: dict[str, str] = {}
        """Providers that get nothing any more, and why."""
        self.failed: dict[int, str] = {}
        """Tasks that are over without a result, and why."""
        self._untold: list[int] = []
        for task in tasks:
            self.add(task)

    def add(self, task: int) -> None:
        """Queue one more task, by its number. Called before and while machines work."""
        self._tasks[task] = self._open[task] = _Task()
        self._count(task)

    def cancel(self, task: int) -> bool:
        """Drop a task that nobody works at; whether that could be."""
        known = self._tasks.get(task)
        if known is None or known.over or known.running:
            return False
        self._close(task, known)
        return True

    @property
    def finished(self) -> bool:
        """Whether every task is over."""
        return not self._open and not self.running

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._under_way)

    @property
    def share(self) -> int:
        """How many tasks there are for each worker, of those that may be given out."""
        return len(self._open) // max(1, len(self._workers))

    @property
    def stuck(self) -> bool:
        """Whether nothing runs, and no worker that there is may take what is to be done."""
        return bool(self._open) and not self.running and all(self._finds(worker) is None for worker in self._workers)

    @property
    def needs_several(self) -> bool:
        """Whether one provider's word is not enough."""
        return self._verify > 1

    def untold(self) -> list[int]:
        """Tasks that failed since this was asked last."""
        found, self._untold = self._untold, []
        return found

    def join(self, worker: Worker) -> None:
        """A worker is ready for tasks: :meth:`take` hands it some from now on."""
        self._workers.add(worker)

    def lose(self, worker: Worker, reason: str) -> None:
        """A worker is gone: what it worked at goes to others. That is nobody's fault that is not told otherwise."""
        self._workers.discard(worker)
        for attempt in sorted((one for one in self._under_way if one.worker == worker), key=lambda one: one.task):
            self.fail(attempt, reason, Fault.NOBODY)

    def take(self, worker: Worker) -> Attempt | None:
        """The next task for this worker; ``None`` where there is none for it at the moment."""
        task = self._finds(worker)
        if task is None:
            return None
        known = self._tasks[task]
        known.given += 1
        attempt = Attempt(task, known.given, worker)
        known.running.append(attempt)
        self._under_way.add(attempt)
        if self._lacks(known) <= 0:
            del self._open[task]
        self._count(task)
        return attempt

    def put_back(self, attempt: Attempt) -> None:
        """An attempt was not begun, and will not be: its task waits for others as before."""
        known = self._tasks.get(attempt.task)
        if known is not None and not known.over and attempt in known.running:
            self._ends(attempt, known)
            self._reopen(attempt.task, known)

    def _finds(self, worker: Worker) -> int | None:
        if worker.provider in self.left or worker not in self._workers:
            return None
        wanted = (task for task, known in self._open.items() if self._lacks(known) > 0 and self._may(worker, known))
        return next(wanted, None)

    def done(self, attempt: Attempt, digest: str) -> ResultVerdict:
        """An attempt came to a result, whose ``digest`` is equal for equal ones."""
        known = self._tasks.get(attempt.task)
        if known is None or known.over or attempt not in known.running:
            return ResultVerdict.STALE
        self._ends(attempt, known)
        known.votes.setdefault(digest, []).append(attempt.worker)
        if len(known.votes[digest]) >= self._verify:
            self._blame(known, digest)
            self._close(attempt.task, known)
            return ResultVerdict.ACCEPTED
        if sum(map(len, known.votes.values())) >= 2 * self._verify - 1:
            self._give_up(attempt.task, known, f"{len(known.votes)} providers came to as many different results")
            return ResultVerdict.REFUSED
        self._reopen(attempt.task, known)
        return ResultVerdict.COUNTED

    def fail(self, attempt: Attempt, reason: str, fault: Fault) -> None:
        """An attempt failed. ``fault`` says whose fault it is, and so whether the task is tried again."""
        known = self._tasks.get(attempt.task)
        if known is None or known.over or attempt not in known.running:
            return
        self._ends(attempt, known)
        provider = attempt.worker.provider
        if fault is Fault.PROVIDER:
            self.left.setdefault(provider, reason)
        elif fault is Fault.REJECTED:
            self._strike(provider, reason)
        if fault is Fault.NOBODY:
            known.lost += 1
        else:
            known.failures.append((provider, reason, fault))
        # A machine may be lost because of what it was given: that can't go on for ever either.
        if fault is Fault.FINAL or len(known.failures) >= self._attempts or known.lost > 2 * self._attempts:
            self._give_up(attempt.task, known, reason)
        else:
            self._reopen(attempt.task, known)

    def _ends(self, attempt: Attempt, known: _Task) -> None:
        """It is not under way any more."""
        known.running.remove(attempt)
        self._under_way.remove(attempt)

    def _reopen(self, task: int, known: _Task) -> None:
        """Give it out again, before those that were never tried: what is wrong with a provider is soon known so."""
        self._open[task] = known
        self._open.move_to_end(task, last=False)
        self._count(task)

    def _count(self, task: int) -> None:
        """Count anew what this task lacks: of thousands, nobody adds that up each time."""
        known = self._tasks[task]
        lacks = max(0, self._lacks(known)) if task in self._open else 0
        self.wanted += lacks - known.wanted
        known.wanted = lacks

    def _lacks(self, known: _Task) -> int:
        return self._verify - known.lead - len(known.running)

    def _may(self, worker: Worker, known: _Task) -> bool:
        if self._verify > 1 and worker.owner in known.asked:
            return False
        if worker.provider not in known.failed_at:
            return True
        # Where it failed it is tried again only when there is nobody else to ask.
        spent, asked = known.failed_at | self.left.keys(), known.asked
        if not all(other.provider in spent or other.owner in asked for other in self._workers):
            return False
        # Of a task that somebody else could do, or is doing, the last attempt is for another provider.
        return not asked or len(known.failures) + 1 < self._attempts

    def _blame(self, known: _Task, digest: str) -> None:
        """Somebody could do it: those who could not, or said otherwise, are worse."""
        right = {worker.provider for worker in known.votes[digest]}
        for provider, reason, fault in known.failures:
            if fault is Fault.OPEN and provider not in right:
                self._strike(provider, reason)
        for other, workers in known.votes.items():
            if other != digest:
                for worker in workers:
                    self.left.setdefault(worker.provider, "its result differs from what others came to")

    def _strike(self, provider: str, reason: str) -> None:
        self._strikes[provider] += 1
        if self._strikes[provider] >= _STRIKES:
            self.left.setdefault(provider, f"it failed {_STRIKES} times, last: {reason}")

    def _give_up(self, task: int, known: _Task, reason: str) -> None:
        count = len(known.failures)
        self.failed[task] = f"{reason} ({count} attempts)" if count > 1 else reason
        self._untold.append(task)
        self._close(task, known)

    def _close(self, task: int, known: _Task) -> None:
        known.over = True
        self._under_way.difference_update(known.running)
        known.running.clear()
        self._open.pop(task, None)
        self._count(task)
