"""Has the tasks of a scheduler done by the machines of one session: rented here, let go of when nothing is left.

What a task is and what becomes of its result is its source's. A machine is used from when it is ready, whichever of the
session's it is; one that fails is given back for another, and the session lives as long as there is something to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
from typing import TYPE_CHECKING

from golem_launcher.access.sockets.port_socket import dial, port_socket_path
from golem_launcher.errors import LauncherError, ProviderError, ProviderSilent, SessionError, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.market import history
from golem_launcher.session import client
from golem_launcher.session.endpoints.machine_slot import HEAD
from golem_launcher.session.on_disk import liveness
from golem_launcher.tasks.events import MachineLetGo, MachineLost, MachineReady, SessionStarted, SetupFailed
from golem_launcher.tasks.payload import attempt_id
from golem_launcher.tasks.scheduler import Worker
from golem_launcher.tasks.worker_driver import WorkerDriver, tell_failed
from golem_launcher.waiting import begun_in_thread, cancel_all
from golem_launcher.workload.base import FIRST_PORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState
    from golem_launcher.tasks.payload import Answer, Payload
    from golem_launcher.tasks.scheduler import Scheduler
    from golem_launcher.tasks.task_client import TaskClient
    from golem_launcher.tasks.task_source import TaskSource

_LOOK_SECONDS = 0.2
_BEGIN_SECONDS = 0.02
"""So soon a session is looked at again that does not listen yet: it is to hear what is wanted before it rents."""
_IDLE_SECONDS = 30.0
"""So long a machine may have nothing to do, where more tasks may come, before it is let go of."""
_WAITING_SECONDS = 3.0
"""So long work may wait before another machine is had for it."""
_ALL_DONE = "No task is left to do."
"""Why the session of a job ended that nobody stopped."""
_MOST_SETUPS = 3
"""At so many providers the setup may fail, without one at which it did not, before the job is given up."""


class Runner:
    """One job's machines. ``run`` once, where a loop runs."""

    def __init__(
        self,
        request: LaunchRequest,
        scheduler: Scheduler,
        source: TaskSource,
        *,
        incoming: Path,
        setup: Payload | None = None,
        most_bytes: int = 10 * 1024**3,
        closing: bool = True,
        left: Callable[[], Decimal] | None = None,
    ) -> None:
        """``incoming``: a directory for what comes back; ``closing``: no more tasks will come, it ends with these.

        ``left`` says in a thread, or raises, what a new session may cost, where that is not the whole budget asked for:
        what one before cost that has just ended is known only then.
        """
        self._request = request
        self._left = left
        self._scheduler = scheduler
        self._source = source
        self._incoming = incoming
        self._setup = setup
        self._most_bytes = most_bytes
        self._closing = closing
        self._stopping = False
        self._news = asyncio.Event()
        self._machines: dict[int, WorkerDriver] = {}
        self._working: dict[int, asyncio.Task[None]] = {}
        self._let_go: set[int] = set()
        self._ordered = 1
        """How many machines the session begins with: as its workload does, until it was told of more."""
        self._unheard = False
        """Whether the session that was only begun has yet to hear of that."""
        self._enough_at = -math.inf
        """When there was a machine for all that was to be done."""
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
        directory = await begun_in_thread(self._session, lambda begun: _end(begun.name, force=True))
        self.directory = directory
        self._source.told(SessionStarted(directory.name))
        try:
            loading = asyncio.create_task(asyncio.to_thread(_load))  # while machines are looked for
            try:
                reason = await self._work(directory)
            finally:
                await cancel_all(loading)
        except BaseException:
            await self._end(directory.name, force=True)
            raise
        await self._end(directory.name, force=False, why="" if self._stopping else _ALL_DONE)
        if self._broken is not None:  # the disk may not have taken the last results
            raise self._broken
        return reason

    async def _end(self, name: str, *, force: bool, why: str = "") -> None:
        """End the session, whoever cancels meanwhile: a cancellation makes it hurry."""

        async def end() -> None:
            await cancel_all(*self._working.values())
            await asyncio.to_thread(_end, name, force=force, why=why)

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
        request = self._request
        return client.start(request if self._left is None else request.model_copy(update={"budget": self._left()}))

    async def _work(self, directory: SessionDirectory) -> str:
        while not self._over():
            living, state = await asyncio.to_thread(lambda: (liveness.alive(directory), directory.state()))
            if state.stage.final:
                return state.reason or "The session is over."
            if not living:
                return f"What looks after '{directory.name}' died. See {directory.supervisor_log}."
            await self._look(directory, state)
            await self._rest()
        return ""

    async def _rest(self) -> None:
        """Until it is time to look at the session again, or all is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEGIN_SECONDS if self._unheard else _LOOK_SECONDS):
                while not self._over():
                    await self._news.wait()

    def _over(self) -> bool:
        """Whether nothing is left to do. Raises what broke."""
        if self._broken is not None:
            raise self._broken
        if self._stopping:
            return not self._scheduler.running
        return self._closing and self._scheduler.finished

    async def _look(self, directory: SessionDirectory, state: SessionState) -> None:
        """Employ the machines that became ready, part with those that are gone."""
        for machine in state.machines:
            ready = machine.stage is Stage.READY and machine.provider_id and machine.agreement_id
            chosen = str(machine.provider_id), str(machine.agreement_id), machine.wallet
            worker = Worker(machine.number, *chosen) if ready else None
            driver = self._machines.get(machine.number)
            if driver is not None and driver.worker != worker:
                del self._machines[machine.number]
                await self._cease(driver, "the machine that it ran at was lost")
                unneeded = machine.number in self._let_go
                self._source.told(
                    MachineLetGo(driver.worker) if unneeded else MachineLost(driver.worker, machine.trouble)
                )
                driver = None
            if worker is None:
                continue
            if driver is None and machine.number not in self._let_go:
                self._scheduler.join(worker)
                driver = WorkerDriver(worker, directory.name, self._scheduler, self._source)
                self._machines[machine.number] = driver
                self._working[machine.number] = asyncio.create_task(self._serve(directory, driver))
                self._source.told(MachineReady(worker, str(machine.provider_name), machine.price_per_hour))
            if driver is not None and driver.reached(well=not machine.trouble):
                self.wake()
            if driver is not None and worker.provider in self._scheduler.left:
                await self._leave(directory, driver, str(machine.provider_name))
        await self._mind_numbers(directory, state)

    async def _mind_numbers(self, directory: SessionDirectory, state: SessionState) -> None:
        """Have as many machines as there is work for, and another where none that is there may help."""
        scheduler, present = self._scheduler, [one for one in state.machines if one.stage is not Stage.ENDED]
        self._unheard = False
        self._let_go.intersection_update(one.number for one in present)
        others = [one for one in self._machines.values() if one.worker.machine != HEAD and not one.given_up]
        if scheduler.wanted:
            if scheduler.stuck and present and len(self._machines) == len(present):
                for one in [*others, *self._machines.values()][:1]:
                    await self._part(directory, one, "another provider is needed, to decide on a result")
            else:
                busy = sum(not one.idle or one.left or one.given_up for one in self._machines.values())
                coming = sum(not one.stage.final for one in present) - busy
                await self._have_enough(directory, len(present), coming)
            return
        self._enough_at = asyncio.get_running_loop().time()
        if scheduler.needs_several and not scheduler.finished:
            return
        least = 0.0 if self._closing else _IDLE_SECONDS
        idle = [one for one in self._machines.values() if one.idle and not one.left and one.idle_seconds >= least]
        for one in sorted(idle, key=lambda one: one.worker.machine)[1:]:  # one is there for what may yet fail
            if one in others:
                self._let_go.add(one.worker.machine)
                one.given_up = True
                await self._order(directory, "let-go", machine=one.worker.machine)

    async def _have_enough(self, directory: SessionDirectory, present: int, coming: int) -> None:
        """Have a machine for each task that waits, as far as there may be so many.

        ``present`` are there or to be had; ``coming``: of them, those that take one of these tasks once they can.
        """
        count = min(present + max(0, self._scheduler.wanted - coming), self._request.machines)
        if not present:  # the session was only begun: what it begins with is said at once
            if count != self._ordered and await self._order(directory, "have", machines=count):
                self._ordered = count
            self._unheard = count != self._ordered
        elif present < count and (not self._machines or self._waits()):
            await self._order(directory, "have", machines=count)

    def _waits(self) -> bool:
        """Whether work has been waiting, so that more machines are of use."""
        return asyncio.get_running_loop().time() - self._enough_at > _WAITING_SECONDS

    async def _cease(self, driver: WorkerDriver, reason: str) -> None:
        """Have others do what this machine holds."""
        await cancel_all(self._working.pop(driver.worker.machine))
        driver.put_back()
        self._scheduler.lose(driver.worker, reason)
        await tell_failed(self._scheduler, self._source)

    async def _leave(self, directory: SessionDirectory, driver: WorkerDriver, name: str) -> None:
        """Have a provider that is left do nothing more, not even what it runs, and another in its place."""
        reason = self._scheduler.left[driver.worker.provider]
        if not driver.left:
            driver.left = True
            await self._cease(driver, f"the provider that it ran at was left: {reason}")
            self._working[driver.worker.machine] = asyncio.create_task(self._clear(directory, driver.worker))
            await asyncio.to_thread(history.note_failure, driver.worker.provider, name, reason)
        await self._part(directory, driver, reason)

    async def _clear(self, directory: SessionDirectory, worker: Worker) -> None:
        async with await self._client(directory, worker) as machine:
            await machine.clear()

    async def _part(self, directory: SessionDirectory, driver: WorkerDriver, reason: str) -> None:
        """Have another provider in the place of this one.

        The session is its first machine's: that one stays, without work, while others work, as it might find no other.
        """
        others = any(one is not driver and not one.given_up for one in self._machines.values())
        if not driver.given_up and not (driver.worker.machine == HEAD and others):
            driver.given_up = True
            text = f"It is given back: {reason.rstrip('.')}."
            await self._order(directory, "give-up", machine=driver.worker.machine, reason=text)

    async def _order(self, directory: SessionDirectory, command: str, **arguments: object) -> bool:
        """Tell the session; whether it heard: it may be gone already, or not listen yet."""
        with contextlib.suppress(SessionError):
            await asyncio.to_thread(liveness.control, directory, command, deadline=60.0, **arguments)
            return True
        return False

    async def _client(self, directory: SessionDirectory, worker: Worker) -> TaskClient:
        await asyncio.to_thread(_load)
        from golem_launcher.tasks.task_client import TaskClient  # noqa: PLC0415 - loaded by now

        token = await asyncio.to_thread(directory.token, worker.machine) or ""
        socket_path = port_socket_path(directory.path)
        return TaskClient(
            lambda: dial(socket_path, FIRST_PORT, worker.machine), token, self._incoming, most_bytes=self._most_bytes
        )

    async def _serve(self, directory: SessionDirectory, driver: WorkerDriver) -> None:
        """Have one machine work, until it is lost or given up."""
        worker = driver.worker
        try:
            async with await self._client(directory, worker) as machine, driver.keeping():
                await machine.clear()
                if not await self._prepare(machine, driver):
                    return
                while True:
                    news = self._news
                    if self._stopping:
                        machine.drop(*driver.put_back())
                    elif not driver.given_up:
                        await driver.give(machine)
                    if driver.idle:
                        await news.wait()
                    else:
                        await driver.hear(machine)
                        self.wake()
        except Exception as error:  # noqa: BLE001 - this computer's disk, say; nobody waits for this task
            self._broken = error
            self.wake()

    async def _prepare(self, machine: TaskClient, driver: WorkerDriver) -> bool:
        """What is done once at each machine; whether it can work then."""
        worker = driver.worker
        if self._setup is None:
            return True
        try:
            answer = await self._run_setup(machine, driver, self._setup)
        except ProviderError as error:
            why = error.what
        else:
            if answer.exit == 0 and not answer.timed_out:
                self._set_up.add(worker.provider)
                return True
            why = "it took too long" if answer.timed_out else f"exit code {answer.exit}: {answer.last_line}"
        self._setup_failures[worker.provider] = why
        self._scheduler.left[worker.provider] = f"its setup failed ({why})"
        self._source.told(SetupFailed(worker, why))
        if not self._set_up and len(self._setup_failures) >= min(_MOST_SETUPS, self._request.machines + 1):
            self._broken = SessionError(f"The setup failed at every provider: {why}")
        self.wake()
        return False

    async def _run_setup(self, machine: TaskClient, driver: WorkerDriver, setup: Payload) -> Answer:
        """Anew where the machine was silent, and not by its own fault. Raises ``ProviderError``."""
        while True:
            known_as = attempt_id(self._request.name, -1, driver.worker.machine)
            try:
                return await machine.run(known_as, setup)
            except ProviderSilent:
                if not driver.excused:
                    raise
                machine.drop(known_as)


def _load() -> None:
    """Load what machines are talked to with: its aiohttp is a third of what a job loads. Blocking."""
    importlib.import_module("golem_launcher.tasks.task_client")


def _end(name: str, *, force: bool, why: str = "") -> None:
    """End the session, at once or in order. Blocking."""
    with contextlib.suppress(LauncherError):
        client.stop(name, force=force, why=why)
