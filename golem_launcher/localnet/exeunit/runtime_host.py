"""Hosts an activity's runtime, a new one for each deployment, with its VPN endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from golem_launcher.errors import BusError, LocalNetError
from golem_launcher.localnet.exeunit.command_runner import CommandRunner
from golem_launcher.localnet.exeunit.failures import RuntimeFailed, StateError
from golem_launcher.localnet.exeunit.network import VpnLink, mac_of
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from golem_launcher.localnet.exeunit.assignment import Assignment
    from golem_launcher.localnet.exeunit.batch import Batch
    from golem_launcher.localnet.exeunit.failures import State
    from golem_launcher.localnet.exeunit.network import MakeEndpoint, Switch
    from golem_launcher.localnet.exeunit.reports import Reports
    from golem_launcher.localnet.exeunit.script import Command, Deploy
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.runtime_interface import Runtime


class RuntimeHost:
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
        self._runner: CommandRunner | None = None
        self._links: list[VpnLink] = []
        self._deployments = 0
        self._started = False

    async def perform(self, command: Command, batch: Batch, *, closing: Callable[[], bool]) -> None:
        """Carry a command out and enter the state that it leads to, which it does also when it fails.

        :class:`LauncherError` or ``OSError`` when it fails. Once ``closing``, states and runtime are left to whoever
        closes.
        """
        during = before, after = _transition(command, self._reports.state_pair)
        await self._reports.enter(before, after)
        try:
            await self._execute(command, batch)
        finally:
            current = self._reports.state_pair
            if current == during and not closing():
                await self._reports.enter(after)
        if current != during and not closing():
            raise StateError.unexpected(current, during)

    async def _execute(self, command: Command, batch: Batch) -> None:
        if command.name == "deploy":
            await self._deploy(command, batch)
        elif self._runner is None:
            raise RuntimeFailed(f"{command.name}: the deployment failed")
        elif command.name == "start":
            await self._runner.execute(command, batch)
            self._started = True
        elif self._started:
            await self._runner.execute(command, batch)
        else:
            raise RuntimeFailed("START command not run")

    async def _deploy(self, command: Command, batch: Batch) -> None:
        runtime = self._new_runtime()
        runner = self._runner = CommandRunner(
            runtime, self._transfers, self._assignment.image, self._assignment.misbehaviour, self._connect
        )
        try:
            await runner.execute(command, batch)
        except BaseException:
            if self._runner is runner:  # else it was dropped while it deployed
                await self.drop()
            raise
        self._watch = asyncio.create_task(self._until_lost(runtime))

    async def drop(self, *, silent: bool = False) -> None:
        """End the runtime and leave the VPNs; ``silent``: without a word on the bus."""
        watch, self._watch = self._watch, None
        if watch is not None:
            await cancel_all(watch)
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(BusError):
                await link.aclose(detach=not silent)
        runtime, self.runtime, self._runner, self._started = self.runtime, None, None, False
        if runtime is not None:
            await self._reports.measure_last()
            await runtime.stop()

    async def _until_lost(self, runtime: Runtime) -> None:
        await runtime.until_gone()
        self._lost()

    def _new_runtime(self) -> Runtime:
        self._deployments += 1
        directory = self._assignment.directory / str(self._deployments)
        runtime = self.runtime = self._reports.runtime = self._make_runtime(directory, self._assignment.activity_id)
        return runtime

    async def _connect(self, command: Deploy) -> None:
        for number, network in enumerate(command.networks):
            link = VpnLink(network, self._switch, self._assignment.requestor_id)
            name = "eth0" if number == 0 else f"vpn{number}"
            address = IPv4Interface((network.node_ip, network.network.prefixlen))
            interface = await self.runtime.interface(name, address, mac_of(network.node_ip)) if self.runtime else None
            await link.open(self._make_endpoint, self._dial, interface)
            self._links.append(link)

    async def _dial(self, port: int) -> socket.socket:
        if self.runtime is None:
            raise ConnectionRefusedError("the activity has no runtime")
        try:
            return await self.runtime.dial(port)
        except LocalNetError as error:
            raise ConnectionRefusedError(str(error)) from error


def _transition(command: Command, state: State) -> tuple[str, str]:
    """The state while the command runs; :class:`StateError` when the activity is in another than it needs."""
    current, following = state
    if following is not None:
        raise StateError.busy(state)
    if current == "Initialized" and command.name == "deploy":
        return current, "Deployed"
    if current == "Deployed" and command.name == "start":
        return current, "Ready"
    if current == "Ready" and command.name not in {"deploy", "start"}:
        return current, current
    raise StateError.invalid(state)
