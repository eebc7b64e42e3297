"""Has the tasks of a scheduler done by the machines of one session: rented here, let go of when nothing is left.

What a task is and what becomes of its result is its owner's. A machine is used from when it is ready, whichever of the
session's it is; one that fails is given back for another, and the session lives as long as there is something to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from golem_launcher.access.door import dial, door_path
from golem_launcher.errors import LauncherError, ProviderError, SessionError, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.session import client, liveness
from golem_launcher.session.machine_slot import HEAD
from golem_launcher.tasks.happenings import (
    AttemptBegun,
    AttemptFailed,
    AttemptPrinted,
    MachineLost,
    MachineReady,
    SessionStarted,
    SetupFailed,
    TaskDone,
)
from golem_launcher.tasks.scheduler import Attempt, Fault, Verdict, Worker
from golem_launcher.tasks.task_client import TaskClient, attempt_id
from golem_launcher.text import sentence
from golem_launcher.waiting import cancel_all
from golem_launcher.workload.base import FIRST_PORT

if TYPE_CHECKING:
    from golem_launcher.events import SessionState
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.tasks.happenings import Happened
    from golem_launcher.tasks.scheduler import Scheduler
    from golem_launcher.tasks.task_client import Answer, Payload

_LOOK_SECONDS = 0.2
_MOST_SETUPS = 3
"""At so many providers the setup may fail, without one at which it did not, before the job is given up."""


class Owner(Protocol):
    """Whose tasks they are."""

    def payload(self, task: int) -> Payload | None:
        """What is sent for a task; ``None`` when nobody wants it any more. Asked again for each attempt."""

    def fault(self, attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why this is no result, and whose fault that is; ``None`` for a result."""

    async def check(self, task: int, answer: Answer) -> str:
        """Why the user does not want this result, in words; empty when it is wanted."""

    async def keep(self, attempt: Attempt, answer: Answer) -> None:
        """This is the task's result: the only one. Raises ``OSError`` when it can't be kept."""

    async def give_up(self, task: int, reason: str) -> None:
        """The task failed, and is not tried again; the answer that was its last is still there."""

    def told(self, happened: Happened) -> None:
        """Something happened that a person may want to see."""


@dataclass
class _Employed:
    worker: Worker
    task: asyncio.Task[None]
    idle: bool = False
    given_up: bool = False


class Runner:
    """One job's machines. ``run`` once, where a loop runs."""

    def __init__(
        self,
        request: LaunchRequest,
        scheduler: Scheduler,
        owner: Owner,
        *,
        incoming: Path,
        setup: Payload | None = None,
        most_bytes: int = 10 * 1000**3,
        closing: bool = True,
    ) -> None:
        """``incoming``: a directory for what comes back; ``closing``: no more tasks will come, it ends with these."""
        self._request = request
        self._scheduler = scheduler
        self._owner = owner
        self._incoming = incoming
        self._setup = setup
        self._most_bytes = most_bytes
        self._closing = closing
        self._stopping = False
        self._news = asyncio.Event()
        self._machines: dict[int, _Employed] = {}
        self._let_go: set[int] = set()
        self._set_up: set[str] = set()
        self._setup_failures: dict[str, str] = {}
        self._broken: BaseException | None = None
        self.directory: SessionDirectory | None = None
        """The session's, once there is one."""

    def wake(self) -> None:
        """There is something new: a task was added or dropped."""
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """No more tasks will come."""
        self._closing = True
        self.wake()

    def stop(self) -> None:
        """Give out nothing more, and end once what runs is done."""
        self._stopping = True
        self.wake()

    async def run(self) -> str:
        """Until all is done or the session is over: why it ended early, in words; empty when all was done.

        The session is ended then, in order; at once when this is cancelled. Raises ``LauncherError``, ``OSError``.
        """
        directory = self.directory = await asyncio.to_thread(self._session)
        self._owner.told(SessionStarted(directory.name))
        try:
            reason = await self._work(directory)
        except BaseException:
            await self._end(directory.name, force=True)
            raise
        await self._end(directory.name, force=False)
        return reason

    async def _end(self, name: str, *, force: bool) -> None:
        """End the session, whoever cancels meanwhile: a cancellation makes it hurry."""

        async def end() -> None:
            await cancel_all(*(one.task for one in self._machines.values()))
            await asyncio.to_thread(_end, name, force=force)

        ending = asyncio.ensure_future(end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(_end, name, force=True))
            await asyncio.shield(ending)
            raise

    def _session(self) -> SessionDirectory:
        """The session of that name where it lives, else a new one. Blocking."""
        with contextlib.suppress(SessionNotFound):
            directory = client.find(self._request.name)
            if liveness.alive(directory) and not directory.state().stage.final:
                return directory
        return client.start(self._request)

    async def _work(self, directory: SessionDirectory) -> str:
        while True:
            news = self._news
            if self._broken is not None:
                raise self._broken
            if self._over():
                return ""
            living, state = await asyncio.to_thread(lambda: (liveness.alive(directory), directory.state()))
            if state.stage.final:
                return state.reason or "The session is over."
            if not living:
                raise SessionError(f"What looks after '{directory.name}' died.", f"See {directory.supervisor_log}.")
            await self._look(directory, state)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await news.wait()

    def _over(self) -> bool:
        if self._stopping:
            return not self._scheduler.running
        return self._closing and self._scheduler.finished

    async def _look(self, directory: SessionDirectory, state: SessionState) -> None:
        """Employ the machines that became ready, part with those that are gone."""
        for machine in state.machines:
            ready = machine.stage is Stage.READY and machine.provider_id and machine.agreement_id
            chosen = str(machine.provider_id), str(machine.agreement_id), machine.wallet
            worker = Worker(machine.number, *chosen) if ready else None
            employed = self._machines.get(machine.number)
            if employed is not None and employed.worker != worker:
                del self._machines[machine.number]
                await cancel_all(employed.task)
                self._scheduler.lose(employed.worker, "the machine that it ran at was lost")
                await self._tell_failed()
                self._owner.told(MachineLost(employed.worker, machine.trouble))
                employed = None
            if worker is None:
                continue
            if employed is None and machine.number not in self._let_go:
                self._scheduler.join(worker)
                task = asyncio.create_task(self._serve(directory, worker))
                employed = self._machines[machine.number] = _Employed(worker, task)
                self._owner.told(MachineReady(worker, str(machine.provider_name), machine.price_per_hour))
            if employed is not None and worker.provider in self._scheduler.left:
                await self._part(directory, employed, self._scheduler.left[worker.provider])
        await self._mind_numbers(directory, state)

    async def _mind_numbers(self, directory: SessionDirectory, state: SessionState) -> None:
        """Let go of machines for which there is nothing, and have another where none that is there may help."""
        others = [one for one in self._machines.values() if one.worker.machine != HEAD and not one.given_up]
        if self._closing and not self._scheduler.wanted and not self._scheduler.needs_several:
            left = self._scheduler.left
            idle = [one for one in self._machines.values() if one.idle and one.worker.provider not in left]
            for one in sorted(idle, key=lambda one: one.worker.machine)[1:]:  # one is there for what may yet fail
                if one in others:
                    self._let_go.add(one.worker.machine)
                    one.given_up = True
                    await self._order(directory, "let-go", machine=one.worker.machine)
        elif self._scheduler.stuck and len(self._machines) == len(state.machines):
            for one in [*others, *self._machines.values()][:1]:
                await self._part(directory, one, "another provider is needed, to decide on a result")

    async def _part(self, directory: SessionDirectory, employed: _Employed, reason: str) -> None:
        """Have another provider in the place of this one.

        The session is its first machine's: that one stays, without work, while others work, as it might find no other.
        """
        others = any(one is not employed and not one.given_up for one in self._machines.values())
        if not employed.given_up and not (employed.worker.machine == HEAD and others):
            employed.given_up = True
            text = f"It is given back: {reason.rstrip('.')}."
            await self._order(directory, "give-up", machine=employed.worker.machine, reason=text)

    async def _order(self, directory: SessionDirectory, command: str, **arguments: object) -> None:
        with contextlib.suppress(SessionError):  # it is gone already
            await asyncio.to_thread(liveness.control, directory, command, deadline=60.0, **arguments)

    async def _serve(self, directory: SessionDirectory, worker: Worker) -> None:
        """Have one machine work, until it is lost or given up."""
        token = await asyncio.to_thread(directory.token, worker.machine) or ""
        door = door_path(directory.path)
        try:
            async with TaskClient(
                lambda: dial(door, FIRST_PORT, worker.machine), token, self._incoming, most_bytes=self._most_bytes
            ) as machine:
                await machine.clear()
                if not await self._prepare(machine, worker):
                    return
                while True:
                    attempt = await self._next(worker)
                    await self._attempt(machine, attempt)
                    self.wake()
        except Exception as error:  # noqa: BLE001 - this computer's disk, say; nobody waits for this task
            self._broken = error
            self.wake()

    async def _next(self, worker: Worker) -> Attempt:
        while True:
            news, employed = self._news, self._machines.get(worker.machine)
            attempt = None if self._stopping else self._scheduler.take(worker)
            if employed is not None:
                employed.idle = attempt is None
            if attempt is not None:
                return attempt
            await news.wait()

    async def _prepare(self, machine: TaskClient, worker: Worker) -> bool:
        """What is done once at each machine; whether it can work then."""
        if self._setup is None:
            return True
        try:
            answer = await machine.run(attempt_id(self._request.name, -1, worker.machine), self._setup)
        except ProviderError as error:
            why = error.what
        else:
            if answer.exit == 0 and not answer.timed_out:
                self._set_up.add(worker.provider)
                return True
            why = "it took too long" if answer.timed_out else f"exit code {answer.exit}: {answer.last_line}"
        self._setup_failures[worker.provider] = why
        self._scheduler.left[worker.provider] = f"its setup failed ({why})"
        self._owner.told(SetupFailed(worker, why))
        if not self._set_up and len(self._setup_failures) >= min(_MOST_SETUPS, self._request.machines + 1):
            self._broken = SessionError(sentence(f"The setup failed at every provider: {why}"))
        self.wake()
        return False

    async def _attempt(self, machine: TaskClient, attempt: Attempt) -> None:
        scheduler, owner = self._scheduler, self._owner
        owner.told(AttemptBegun(attempt))

        def printed(log: bytes) -> None:
            owner.told(AttemptPrinted(attempt, log))

        payload = owner.payload(attempt.task)
        if payload is None:
            await self._failed(attempt, "it is not wanted any more", Fault.FINAL)
            return
        task_id = attempt_id(self._request.name, attempt.task, attempt.number)
        try:
            answer = await machine.run(task_id, payload, printed)
        except ProviderError as error:
            await self._failed(attempt, error.what, Fault.PROVIDER)
            return
        fault = owner.fault(attempt, answer)
        if fault is None:
            unwanted = await owner.check(attempt.task, answer)
            fault = (unwanted, Fault.REJECTED) if unwanted else None
        if fault is not None:
            await self._failed(attempt, *fault)
        else:
            verdict = scheduler.done(attempt, answer.digest)
            if verdict is Verdict.ACCEPTED:
                await owner.keep(attempt, answer)
                owner.told(TaskDone(attempt))
            await self._tell_failed()
        for output in answer.outputs:
            if isinstance(output.content, Path):
                output.content.unlink(missing_ok=True)

    async def _failed(self, attempt: Attempt, reason: str, fault: Fault) -> None:
        self._owner.told(AttemptFailed(attempt, reason))
        self._scheduler.fail(attempt, reason, fault)
        await self._tell_failed()

    async def _tell_failed(self) -> None:
        for task in self._scheduler.untold():
            await self._owner.give_up(task, self._scheduler.failed[task])


def _end(name: str, *, force: bool) -> None:
    """End the session, at once or in order. Blocking."""
    with contextlib.suppress(LauncherError):
        client.stop(name, force=force)
