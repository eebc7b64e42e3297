"""The exe-unit of one activity, as the provider registers it on the bus.

Calls and their shapes are those of the Activity API's bus messages (yagna, ``core/model/src/activity.rs``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import BusCallError, BusError, LauncherError, LocalNetError
from golem_launcher.localnet.exeunit.batch import Batch
from golem_launcher.localnet.exeunit.failures import StateError, described
from golem_launcher.localnet.exeunit.reports import Reports
from golem_launcher.localnet.exeunit.runtime_host import RuntimeHost
from golem_launcher.localnet.exeunit.script import ScriptError, Sign, Start, Terminate, read_script
from golem_launcher.node.gsb.calls import err, ok
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from golem_launcher.localnet.exeunit.assignment import Assignment, UnitBus
    from golem_launcher.localnet.exeunit.network import MakeEndpoint, Switch
    from golem_launcher.localnet.exeunit.script import Command
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.runtime_interface import Runtime
    from golem_launcher.node.gsb.calls import BusCall

_log = logging.getLogger(__name__)

_MOST_WAIT = 60.0
_MOST_BATCHES = 64


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
        self._address = f"/public/exeunit/{assignment.activity_id}"
        self._reports = Reports(assignment, bus)
        self._machine = RuntimeHost(
            assignment, self._reports,
            switch=switch, make_runtime=make_runtime, make_endpoint=make_endpoint, transfers=transfers,
            lost=self._end,
        )  # fmt: skip
        self._batches: dict[str, Batch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Task[None] | None = None

    # Life

    async def start(self) -> None:
        """Register on the bus and tell yagna that the activity is there; :class:`BusError` when that fails."""
        await self._bus.register(self._address, self._answer)
        try:
            await self._reports.start()
        except BaseException:
            with contextlib.suppress(BusError):
                await self._bus.unregister(self._address)
            raise

    async def aclose(self, *, silent: bool = False) -> None:
        """End the activity: nothing of it runs afterwards, its files are gone. Safe to call twice.

        ``silent``: without a word on the bus, as a provider that died.
        """
        await asyncio.shield(self._end(silent=silent))

    def _end(self, *, silent: bool = False) -> asyncio.Task[None]:
        """Begin to end, as exe-units also do of themselves when their runtime is gone."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(silent=silent))
        return self._closing

    async def _close(self, *, silent: bool) -> None:
        await self._reports.stop()
        await self._stop_batches(except_for=None)
        if not silent and self._machine.runtime is not None:
            await self._linger()
        await self._machine.drop(silent=silent)
        await self._reports.end(silent=silent)
        if not silent:
            with contextlib.suppress(BusError):
                await self._bus.unregister(self._address)
        await asyncio.to_thread(_remove, self._assignment.directory)

    def usage(self) -> list[float]:
        """Usage so far, in the order of the offer's usage vector."""
        return self._reports.usage()

    @property
    def runtime(self) -> Runtime | None:
        """The runtime of the current deployment."""
        return self._machine.runtime

    # Calls

    def _answer(self, call: BusCall) -> bytes | Awaitable[bytes] | AsyncIterator[bytes]:
        # What crossed the network carries the node id of who asks; calls of the provider's own node do not.
        if call.caller.startswith("0x") and call.caller.lower() != self._assignment.requestor_id.lower():
            return err({"forbidden": "The activity is somebody else's."})
        payload = call.payload()
        if not isinstance(payload, dict) or self._activity_of(payload) != self._assignment.activity_id:
            return err({"badRequest": "The call is not for this activity."}) if payload else _bad("malformed")
        answers: dict[str, Callable[[dict[str, Any]], bytes | Awaitable[bytes] | AsyncIterator[bytes]]] = {
            "Exec": self._exec,
            "GetExecBatchResults": self._results,
            "StreamExecBatchResults": self._stream,
            "GetRunningCommand": self._running,
            "GetActivityState": lambda _: ok(self._reports.state_value()),
            "GetActivityUsage": lambda _: ok(self._reports.usage_value()),
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
            if self._assignment.script is not None:
                self._assignment.script.check(commands)
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
            return err({"notFound": f"batch_id = {str(payload.get('batchId'))[:80]}"})
        index, seconds = payload.get("commandIndex"), payload.get("timeout")
        wait = min(_MOST_WAIT, float(seconds)) if isinstance(seconds, int | float) else 0.0
        if not await batch.wait_for(index, wait) and index is not None:
            return err("timeout")
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
        return ok(found) if found else err({"notFound": "No command is running."})

    # Scripts

    async def _carry_out(self, batch: Batch) -> None:
        for index, command in enumerate(batch.commands):
            batch.begin(index)
            code, message = 0, None
            try:
                await self._perform(command, batch)
            except (LauncherError, OSError) as error:
                code, message = described(error, command.name)
            except asyncio.CancelledError:
                ended = StateError.unexpected(("Initialized", None), ("Ready", "Ready"))
                batch.end(*described(ended, command.name))
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
            await self._linger()
            await self._machine.drop()
            await self._reports.enter("Initialized")
        elif isinstance(command, Sign):
            raise LocalNetError("signing not supported: binary built without the 'sgx' feature")
        else:
            await self._machine.perform(command, batch, closing=lambda: self._closing is not None)

    async def _linger(self) -> None:
        """Be as slow to end as a VM is."""
        await asyncio.sleep(self._assignment.end_seconds)

    async def _stop_batches(self, except_for: str | None) -> None:
        tasks = [task for batch_id, task in self._tasks.items() if batch_id != except_for]
        await cancel_all(*tasks)


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
    return err({"badRequest": message})
