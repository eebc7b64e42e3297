"""What an activity's commands work on: one runtime after the other, each with its ends of VPNs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import BusError, LocalNetError
from golem_launcher.localnet.exeunit.network import VpnLink
from golem_launcher.localnet.exeunit.worker import Worker
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from golem_launcher.localnet.exeunit.assignment import Assignment
    from golem_launcher.localnet.exeunit.batch import Batch
    from golem_launcher.localnet.exeunit.network import MakeEndpoint, Switch
    from golem_launcher.localnet.exeunit.reports import Reports
    from golem_launcher.localnet.exeunit.script import Command, Deploy
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.model import Runtime


class Machine:
    """The runtime of the current deployment, made when its first command comes."""

    def __init__(
        self,
        assignment: Assignment,
        reports: Reports,
        *,
        switch: Switch,
        make_runtime: Callable[[Path, str], Runtime],
        make_endpoint: MakeEndpoint,
        transfers: Transfers,
        lost: Callable[[], object],
    ) -> None:
        """``lost`` is called when a runtime has ended by itself."""
        self.runtime: Runtime | None = None
        self._assignment = assignment
        self._reports = reports
        self._switch = switch
        self._make_runtime = make_runtime
        self._make_endpoint = make_endpoint
        self._lost = lost
        self._watch: asyncio.Task[None] | None = None
        self._transfers = transfers
        self._worker: Worker | None = None
        self._links: list[VpnLink] = []
        self._deployments = 0
        self._busy = False

    async def perform(self, command: Command, batch: Batch, *, closing: Callable[[], bool]) -> None:
        """Carry a command out and enter the state that it leads to.

        :class:`LauncherError` or ``OSError`` when it fails; a failed deploy leaves no runtime. Once ``closing``,
        states and runtime are left to whoever closes.
        """
        if self._busy:
            raise LocalNetError("Another script of this activity is running.")
        before, after = _transition(command, self._reports.state)
        self._busy = True
        reached = before
        try:
            if before != after:
                await self._reports.enter(before, after)
            if self._worker is None:
                self._worker = self._new_worker()
            await self._worker.execute(command, batch)
            reached = after
            if command.name == "deploy":
                self._watch = asyncio.create_task(self._until_lost())
        finally:
            self._busy = False
            if reached == "Initialized" and not closing():
                await self.drop()
            if not closing():
                await self._reports.enter(reached)

    async def drop(self, *, silent: bool = False) -> None:
        """End the runtime and leave the VPNs; ``silent``: without a word on the bus."""
        watch, self._watch = self._watch, None
        if watch is not None:
            await cancel_all(watch)
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(BusError):
                await link.aclose(detach=not silent)
        runtime, self.runtime, self._worker = self.runtime, None, None
        if runtime is not None:
            await self._reports.measure_last()
            await runtime.stop()

    async def _until_lost(self) -> None:
        assert self.runtime is not None
        await self.runtime.until_gone()
        self._lost()

    def _new_worker(self) -> Worker:
        self._deployments += 1
        directory = self._assignment.directory / str(self._deployments)
        self.runtime = self._reports.runtime = self._make_runtime(directory, self._assignment.activity_id)
        return Worker(
            self.runtime, self._transfers, self._assignment.image_directory, self._assignment.misbehaviour,
            self._connect,
        )  # fmt: skip

    async def _connect(self, command: Deploy) -> None:
        for network in command.networks:
            link = VpnLink(network, self._switch, self._assignment.requestor_id)
            await link.open(self._make_endpoint, self._dial)
            self._links.append(link)

    async def _dial(self, port: int) -> socket.socket:
        if self.runtime is None:
            raise ConnectionRefusedError("the activity has no runtime")
        try:
            return await self.runtime.dial(port)
        except LocalNetError as error:
            raise ConnectionRefusedError(str(error)) from error


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
