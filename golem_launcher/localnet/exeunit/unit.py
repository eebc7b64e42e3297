"""The exe-unit of one activity: what the provider registers on the bus for a requestor's scripts.

Calls and their shapes are those of the Activity API's bus messages (yagna, ``core/model/src/activity.rs``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher.errors import BusCallError, BusError, LauncherError, LocalNetError
from golem_launcher.localnet.exeunit.batch import Batch
from golem_launcher.localnet.exeunit.network import VpnLink
from golem_launcher.localnet.exeunit.script import Deploy, ScriptError, Start, Terminate, read_script
from golem_launcher.localnet.exeunit.worker import Worker, describe
from golem_launcher.localnet.misbehaviour import Misbehaviour
from golem_launcher.node.gsb.calls import err, ok

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from golem_launcher.localnet.exeunit.network import MakeEndpoint, Switch
    from golem_launcher.localnet.exeunit.script import Command
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.model import Runtime
    from golem_launcher.node.gsb.calls import Call, Handler

_log = logging.getLogger(__name__)

USAGE_SECONDS = 3.0
"""Between usage reports: after 10 s of silence yagna destroys the activity."""
_BUS_SECONDS = 10.0
_MOST_WAIT = 60.0
_MOST_BATCHES = 64
_MiB, _GiB = 2**20, 2**30


class UnitBus(Protocol):
    """The part of a bus client that an exe-unit needs (``GsbClient`` has it)."""

    async def call(self, address: str, payload: Any, *, caller: str = "", timeout: float = 30.0) -> Any:
        """Call a service."""

    async def register(self, prefix: str, handler: Handler) -> None:
        """Offer a service."""

    async def unregister(self, prefix: str) -> None:
        """Stop offering it."""


@dataclass(frozen=True)
class Assignment:
    """What an exe-unit is made for."""

    activity_id: str
    requestor_id: str
    directory: Path
    """Private to the activity; removed at its end."""
    image_directory: Path | None = None
    counters: Sequence[str] = ("golem.usage.cpu_sec", "golem.usage.duration_sec")
    """The offer's usage vector."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Counters of the provider's own: how much they grow in a second."""
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)


class ExeUnit:
    """One activity, from :meth:`start` to :meth:`aclose`."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        bus: UnitBus,
        switch: Switch,
        make_runtime: Callable[[Path, str], Runtime],
        make_endpoint: MakeEndpoint,
        transfers: Transfers,
    ) -> None:
        """``make_runtime`` is given a private directory and the activity's id."""
        self._assignment = assignment
        self._bus = bus
        self._switch = switch
        self._make_runtime = make_runtime
        self._make_endpoint = make_endpoint
        self._transfers = transfers
        self._address = f"/public/exeunit/{assignment.activity_id}"
        self._batches: dict[str, Batch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._links: list[VpnLink] = []
        self._state: tuple[str, str | None] = ("Initialized", None)
        self._busy = False
        self._deployments = 0
        self._runtime: Runtime | None = None
        self._worker: Worker | None = None
        self._began = time.monotonic()
        self._ended: float | None = None
        self._earlier_cpu = 0.0
        self._measured: dict[str, float] = {}
        self._reporter: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    # Life

    async def start(self) -> None:
        """Register on the bus and tell yagna that the activity is there; :class:`BusError` when that fails."""
        await self._bus.register(self._address, self._answer)
        try:
            await self._tell_state()
        except BaseException:
            with contextlib.suppress(BusError):
                await self._bus.unregister(self._address)
            raise
        self._reporter = asyncio.create_task(self._report())

    async def aclose(self, *, silent: bool = False) -> None:
        """End the activity: nothing of it runs afterwards, its files are gone. Safe to call twice.

        ``silent``: without a word on the bus, as a provider that died.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(silent=silent))
        await asyncio.shield(self._closing)

    async def _close(self, *, silent: bool) -> None:
        if self._reporter is not None:
            self._reporter.cancel()
            await asyncio.gather(self._reporter, return_exceptions=True)
        await self._stop_batches(except_for=None)
        await self._drop_runtime(silent=silent)
        self._ended = time.monotonic()
        self._state = ("Terminated", None)
        if not silent:
            with contextlib.suppress(BusError):
                await self._tell_state()
            with contextlib.suppress(BusError):
                await self._bus.unregister(self._address)
        await asyncio.to_thread(_remove, self._assignment.directory)

    def usage(self) -> list[float]:
        """Usage so far, in the order of the offer's usage vector."""
        duration = (self._ended or time.monotonic()) - self._began
        own = {name: rate * duration for name, rate in self._assignment.rates.items()}
        known = {**self._measured, **own, "golem.usage.duration_sec": duration}
        return [known.get(name, 0.0) for name in self._assignment.counters]

    @property
    def state(self) -> str:
        """Initialized, Deployed, Ready or Terminated."""
        return self._state[0]

    @property
    def runtime(self) -> Runtime | None:
        """The runtime of the current deployment."""
        return self._runtime

    async def _drop_runtime(self, *, silent: bool = False) -> None:
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(BusError):
                await link.aclose(detach=not silent)
        runtime, self._runtime, self._worker = self._runtime, None, None
        if runtime is not None:
            await self._measure(runtime)
            self._earlier_cpu = self._measured.get("golem.usage.cpu_sec", self._earlier_cpu)
            await runtime.stop()

    # Reports

    async def _report(self) -> None:
        address = "/local/activity/SetActivityUsage"
        while True:
            if self._runtime is not None:
                await self._measure(self._runtime)
            payload = {"activityId": self._assignment.activity_id, "usage": self._usage_value(), "timeout": None}
            try:
                await self._bus.call(address, payload, timeout=_BUS_SECONDS)
            except BusError as error:
                _log.info("activity %s: usage not reported: %s", self._assignment.activity_id, error)
            await asyncio.sleep(USAGE_SECONDS)

    async def _measure(self, runtime: Runtime) -> None:
        with contextlib.suppress(LocalNetError, OSError):  # not deployed yet, or stopped under us
            usage = await runtime.usage()
            self._measured = {
                "golem.usage.cpu_sec": self._earlier_cpu + usage.cpu_seconds,
                "golem.usage.gib": usage.memory / _GiB,
                "golem.usage.storage_gib": usage.disk / _GiB,
            }

    def _usage_value(self) -> dict[str, Any]:
        return {"currentUsage": self.usage(), "timestamp": int(time.time())}

    async def _tell_state(self) -> None:
        payload = {
            "activityId": self._assignment.activity_id,
            "state": {"state": list(self._state), "reason": None, "errorMessage": None},
            "timeout": None,
            "credentials": None,
        }
        await self._bus.call("/local/activity/SetActivityState", payload, timeout=_BUS_SECONDS)

    async def _enter(self, state: str, following: str | None = None) -> None:
        if self._state != (state, following):
            self._state = (state, following)
            with contextlib.suppress(BusError):
                await self._tell_state()

    # Calls

    def _answer(self, call: Call) -> bytes | Awaitable[bytes] | AsyncIterator[bytes]:
        # What crossed the network carries the node id of who asks; calls of the provider's own node do not.
        if call.caller.startswith("0x") and call.caller.lower() != self._assignment.requestor_id.lower():
            return err({"Forbidden": "The activity is somebody else's."})
        payload = call.payload()
        if not isinstance(payload, dict) or self._activity_of(payload) != self._assignment.activity_id:
            return err({"BadRequest": "The call is not for this activity."}) if payload else _bad("malformed")
        answers: dict[str, Callable[[dict[str, Any]], bytes | Awaitable[bytes] | AsyncIterator[bytes]]] = {
            "Exec": self._exec,
            "GetExecBatchResults": self._results,
            "StreamExecBatchResults": self._stream,
            "GetRunningCommand": self._running,
            "GetActivityState": lambda _: ok({"state": list(self._state), "reason": None, "errorMessage": None}),
            "GetActivityUsage": lambda _: ok(self._usage_value()),
        }
        answer = answers.get(call.component)
        if answer is None:
            raise BusCallError(f"An exe-unit knows no {call.component[:80]!r}.", code=400)
        return answer(payload)

    @staticmethod
    def _activity_of(payload: dict[str, Any]) -> Any:
        return payload.get("activityId", payload.get("activity_id"))

    def _exec(self, payload: dict[str, Any]) -> bytes:
        batch_id = payload.get("batchId")
        if not isinstance(batch_id, str) or not batch_id or batch_id in self._batches:
            return _bad("a script needs an id of its own")
        if self._closing is not None:
            return _bad("the activity is ending")
        try:
            commands = read_script(payload.get("exeScript"))
        except ScriptError as error:
            return _bad(str(error))
        batch = self._batches[batch_id] = Batch(batch_id, commands, payload["exeScript"])
        self._forget_old()
        task = self._tasks[batch_id] = asyncio.create_task(self._carry_out(batch))
        task.add_done_callback(lambda _: self._tasks.pop(batch_id, None))
        return ok(batch_id)

    def _forget_old(self) -> None:
        finished = [batch.id for batch in self._batches.values() if batch.finished]
        for batch_id in finished[: max(0, len(self._batches) - _MOST_BATCHES)]:
            del self._batches[batch_id]

    async def _results(self, payload: dict[str, Any]) -> bytes:
        batch = self._batches.get(str(payload.get("batchId")))
        if batch is None:
            return err({"NotFound": f"batch_id = {str(payload.get('batchId'))[:80]}"})
        index, seconds = payload.get("commandIndex"), payload.get("timeout")
        wait = min(_MOST_WAIT, float(seconds)) if isinstance(seconds, int | float) else 0.0
        if not await batch.wait_for(index, wait) and index is not None:
            return err("Timeout")
        return ok(batch.results(index))

    async def _stream(self, payload: dict[str, Any]) -> AsyncIterator[bytes]:
        batch = self._batches.get(str(payload.get("batch_id", payload.get("batchId"))))
        if batch is None:
            raise BusCallError("There is no such script.", code=400)
        async for event in batch.events():
            yield ok(event)

    def _running(self, _: dict[str, Any]) -> bytes:
        found = [
            {"command": command.name.capitalize(), "progress": None, "params": _params(command)}
            for command in (batch.running for batch in self._batches.values())
            if command is not None
        ]
        return ok(found) if found else err({"NotFound": "No command is running."})

    # Scripts

    async def _carry_out(self, batch: Batch) -> None:
        for index, command in enumerate(batch.commands):
            batch.begin(index)
            code, message = 0, None
            try:
                await self._perform(command, batch)
            except (LauncherError, OSError) as error:
                code, message = describe(error)
            except asyncio.CancelledError:
                batch.end(-1, "The activity was terminated.")
                raise
            except Exception:  # noqa: BLE001 - a border: the requestor is told, the unit lives on
                _log.exception("activity %s: a command failed in us", self._assignment.activity_id)
                code, message = -1, "The provider has an internal error."
            batch.end(code, message)
            if code:
                return

    async def _perform(self, command: Command, batch: Batch) -> None:
        if isinstance(command, Terminate):
            await self._stop_batches(except_for=batch.id)
            await self._drop_runtime()
            await self._enter("Initialized")
            return
        if self._busy:
            raise LocalNetError("Another script of this activity is running.")
        before, after = _transition(command, self.state)
        self._busy = True
        reached = before
        try:
            if before != after:
                await self._enter(before, after)
            if self._worker is None:
                self._worker = self._new_worker()
            await self._worker.execute(command, batch)
            reached = after
        finally:
            self._busy = False
            if reached == "Initialized" and self._closing is None:
                await self._drop_runtime()
            if self._closing is None:
                await self._enter(reached)

    def _new_worker(self) -> Worker:
        self._deployments += 1
        directory = self._assignment.directory / str(self._deployments)
        self._runtime = self._make_runtime(directory, self._assignment.activity_id)
        return Worker(
            self._runtime, self._transfers, self._assignment.image_directory, self._assignment.misbehaviour,
            self._connect,
        )  # fmt: skip

    async def _connect(self, command: Deploy) -> None:
        for network in command.networks:
            link = VpnLink(network, self._switch, self._assignment.requestor_id)
            await link.open(self._make_endpoint, self._dial)
            self._links.append(link)

    async def _dial(self, port: int) -> socket.socket:
        if self._runtime is None:
            raise ConnectionRefusedError("the activity has no runtime")
        try:
            return await self._runtime.dial(port)
        except LocalNetError as error:
            raise ConnectionRefusedError(str(error)) from error

    async def _stop_batches(self, except_for: str | None) -> None:
        tasks = [task for batch_id, task in self._tasks.items() if batch_id != except_for]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _transition(command: Command, state: str) -> tuple[str, str]:
    """The state a command needs and the one it leads to; :class:`LocalNetError` when the activity is in another."""
    needs = {"deploy": ("Initialized", "Deployed"), "start": ("Deployed", "Ready")}.get(
        command.name, ("Ready", "Ready")
    )
    if state == needs[0]:
        return needs
    if command.name in {"transfer", "sign"} and state == "Deployed":
        return "Deployed", "Deployed"
    expected = {"Initialized": "deploy", "Deployed": "start"}.get(state)
    hint = f"{expected} comes next" if expected else "it can't be deployed or started again"
    raise LocalNetError(f"No {command.name} while the activity is {state}: {hint}.")


def _params(command: Command) -> list[str] | None:
    if isinstance(command, Start):
        return list(command.args)
    if command.name == "run":
        return [command.entry_point, *command.args]
    if command.name == "transfer":
        return [command.source, command.target]
    return None


def _remove(directory: Path) -> None:
    for folder, names, _ in os.walk(directory):  # what a program inside closed to us is still ours to open
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(directory, ignore_errors=True)


def _bad(message: str) -> bytes:
    return err({"BadRequest": message})
