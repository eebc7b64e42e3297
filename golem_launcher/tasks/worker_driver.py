"""Drives one worker of a job: gives it tasks, hears of them, and has what came judged and kept."""

from __future__ import annotations

import asyncio
import contextlib
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from golem_launcher.errors import ProviderError, ProviderSilent
from golem_launcher.tasks.events import AttemptBegun, AttemptFailed, AttemptPrinted, TaskDone
from golem_launcher.tasks.payload import SILENT_SECONDS, attempt_id
from golem_launcher.tasks.scheduler import Fault, ResultVerdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from golem_launcher.tasks.payload import Answer
    from golem_launcher.tasks.scheduler import Attempt, Scheduler, Worker
    from golem_launcher.tasks.task_client import TaskClient
    from golem_launcher.tasks.task_source import TaskSource

_AHEAD_SECONDS = 1.5
"""So much work a machine holds, the task that runs included: it does not wait for us between short ones."""
_MOST_AHEAD = 64
_SHORTEST = 0.001
_PATIENCE_SECONDS = 3.0
"""So long a task may run before those that wait behind it go elsewhere."""
_AHEAD_BYTES = 1024 * 1024
"""So much may be sent to those that wait: more would hold up what the machine has to tell."""


class _Held(NamedTuple):
    attempt: Attempt
    size: int
    """Bytes that were sent for it."""


class WorkerDriver:
    """Drives one worker, from when it is ready until it is lost. Made where a loop runs."""

    def __init__(self, worker: Worker, job: str, scheduler: Scheduler, source: TaskSource) -> None:
        self.worker = worker
        self.given_up = False
        """Whether the session was asked to do without it, or to have another provider in its place."""
        self.left = False
        """Whether it gets nothing any more, wherever it is."""
        self._job = job
        self._scheduler = scheduler
        self._source = source
        self._held: dict[str, _Held] = {}
        """By their ids, in the order in which the machine does them."""
        self._mean = math.inf
        """Seconds that a task took there, of late."""
        self._begun: Attempt | None = None
        self._well, self._unwell_at = True, -math.inf
        """Whether the session reaches it, and when it last did not."""
        self._busy_at = asyncio.get_running_loop().time()
        self._watched = asyncio.TaskGroup()
        self._keeping: asyncio.Task[None] | None = None
        """Has the disk take what was accepted last, whatever becomes of the machine."""

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Work in this block. What is accepted is kept beside it, as disks may be slower than machines, and by its end.

        Raises what the block raises; and what keeping does, at once, an ``OSError`` say.
        """
        try:
            async with self._watched:
                yield
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            if self._keeping is not None:
                await asyncio.shield(self._keeping)

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not self._held

    @property
    def idle_seconds(self) -> float:
        """For how long that has been so."""
        return asyncio.get_running_loop().time() - self._busy_at if self.idle else 0.0

    @property
    def excused(self) -> bool:
        """Whether its silence may be the way's: the session did not reach it either, of late."""
        return asyncio.get_running_loop().time() - self._unwell_at < SILENT_SECONDS

    def reached(self, *, well: bool) -> bool:
        """The session reaches the machine, or does not; whether that is news."""
        if not well:
            self._unwell_at = asyncio.get_running_loop().time()
        before, self._well = self._well, well
        return well != before

    async def give(self, machine: TaskClient) -> None:
        """Have it hold as many tasks as it should, of those that there are; none while nobody reaches it."""
        if not self._well:
            return
        ahead = min(int(_AHEAD_SECONDS / max(self._mean, _SHORTEST)), self._scheduler.share, _MOST_AHEAD)
        while len(self._held) < max(1, ahead) and sum(one.size for one in self._held.values()) < _AHEAD_BYTES:
            attempt = self._scheduler.take(self.worker)
            if attempt is None:
                return
            payload = self._source.payload(attempt.task)
            if payload is None:
                await self._failed(attempt, "it is not wanted any more", Fault.FINAL)
                continue
            known_as = attempt_id(self._job, attempt.task, attempt.number)
            self._held[known_as] = _Held(attempt, payload.size)
            machine.give(known_as, payload, partial(self._printed, attempt))

    async def hear(self, machine: TaskClient) -> None:
        """Wait for news of what it holds, and see to what is over. Called while it is :meth:`keeping`."""
        self._tell_begun()
        try:
            over = [(self._held.pop(known_as).attempt, came) for known_as, came in await machine.hear()]
        except ProviderError as error:
            first = next(iter(self._held.values())).attempt
            machine.drop(*self._held)
            self.put_back()
            self._held.clear()
            excused = self.excused and isinstance(error, ProviderSilent)
            await self._failed(first, error.what, Fault.NOBODY if excused else Fault.PROVIDER)
            return
        answers = [(attempt, came) for attempt, came in over if not isinstance(came, ProviderError)]
        if answers:
            self._mean = sum(answer.seconds for _, answer in answers) / len(answers)
        for attempt, came in over:
            if isinstance(came, ProviderError):
                await self._failed(attempt, came.what, Fault.PROVIDER)
        self._busy_at = asyncio.get_running_loop().time()
        await self._judge_and_keep(answers)
        if machine.first_seconds > _PATIENCE_SECONDS:
            machine.drop(*self.put_back())

    def put_back(self) -> list[str]:
        """Have others do what it can't have begun; the ids of that."""
        behind = dict(list(self._held.items())[1:])
        for known_as, held in behind.items():
            self._scheduler.put_back(held.attempt)
            del self._held[known_as]
        return list(behind)

    async def _judge_and_keep(self, answers: list[tuple[Attempt, Answer]]) -> None:
        """Judge what came, and begin to keep what counts, all at once: the disk takes as long for one as for many.

        A disk that is slower than the machine has it wait.
        """
        accepted: list[tuple[Attempt, Answer]] = []
        before = keeping = self._keeping
        try:
            for attempt, answer in answers:
                await self._judge(attempt, answer, accepted)
        finally:  # the machine may be let go of meanwhile: nobody will be asked for these again
            if answers:
                made = [answer for _, answer in answers]
                self._keeping = keeping = asyncio.create_task(self._keep(accepted, made, before))
        if keeping is not None and keeping is not before:
            self._watched.create_task(_watch(keeping))
        if before is not None:
            await asyncio.wait({before})

    async def _keep(
        self, accepted: list[tuple[Attempt, Answer]], answers: list[Answer], before: asyncio.Task[None] | None
    ) -> None:
        """Keep what was accepted of the ``answers``, after those ``before``. Raises what either raises."""
        if before is not None:
            await asyncio.wait({before})
        try:
            if accepted:
                await self._source.keep(accepted)
            for attempt, answer in accepted:
                self._source.told(TaskDone(attempt, answer.seconds))
            for output in (output for answer in answers for output in answer.outputs):
                if isinstance(output.content, Path):
                    output.content.unlink(missing_ok=True)
        finally:
            if before is not None:
                before.result()

    async def _judge(self, attempt: Attempt, answer: Answer, accepted: list[tuple[Attempt, Answer]]) -> None:
        """Put it among the accepted if this is the task's result."""
        fault = self._source.fault(attempt, answer)
        if fault is None:
            unwanted = await self._source.check(attempt.task, answer)
            fault = (unwanted, Fault.REJECTED) if unwanted else None
        if fault is not None:
            await self._failed(attempt, *fault)
            return
        if self._scheduler.done(attempt, answer.digest) is ResultVerdict.ACCEPTED:
            accepted.append((attempt, answer))
        await tell_failed(self._scheduler, self._source)

    async def _failed(self, attempt: Attempt, reason: str, fault: Fault) -> None:
        self._source.told(AttemptFailed(attempt, reason))
        self._scheduler.fail(attempt, reason, fault)
        await tell_failed(self._scheduler, self._source)

    def _tell_begun(self) -> None:
        """Say what it works at, where that is another task than before."""
        first = next(iter(self._held.values()), None)
        if first is not None and first.attempt is not self._begun:
            self._begun = first.attempt
            self._source.told(AttemptBegun(first.attempt))

    def _printed(self, attempt: Attempt, log: bytes) -> None:
        self._source.told(AttemptPrinted(attempt, log))


async def _watch(keeping: asyncio.Task[None]) -> None:
    """Raise what it raises; it goes on when this does not."""
    await asyncio.shield(keeping)


async def tell_failed(scheduler: Scheduler, source: TaskSource) -> None:
    """Have the source know of the tasks that are failed now."""
    for task in scheduler.untold():
        await source.give_up(task, scheduler.failed[task])
