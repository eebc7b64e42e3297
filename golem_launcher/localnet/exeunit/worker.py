"""Carrying out one command in a runtime."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.localnet.exeunit.ring import Ring
from golem_launcher.localnet.exeunit.script import Deploy, Run, Start, Transfer
from golem_launcher.localnet.exeunit.words import CommandFailed
from golem_launcher.localnet.misbehaviour import Misbehaviour, hostile_output
from golem_launcher.localnet.runtime.model import Deployment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from golem_launcher.localnet.exeunit.batch import Batch
    from golem_launcher.localnet.exeunit.script import Command
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.model import Runtime


class Worker:
    """Carries out the commands of one runtime, as badly as the provider's misbehaviour says."""

    def __init__(
        self,
        runtime: Runtime,
        transfers: Transfers,
        image_directory: Path | None,
        misbehaviour: Misbehaviour,
        connect: Callable[[Deploy], Awaitable[None]],
    ) -> None:
        """``connect`` joins the VPNs that a deployment names, once there is something to connect to."""
        self._runtime = runtime
        self._transfers = transfers
        self._image_directory = image_directory
        self._misbehaviour = misbehaviour
        self._connect = connect
        self._hung = False

    async def execute(self, command: Command, batch: Batch) -> None:
        """Carry it out; :class:`LauncherError` or ``OSError`` when that fails."""
        await self._misbehave(command)
        if isinstance(command, Deploy):
            await self._deploy(command, batch)
        elif isinstance(command, Start):
            await self._runtime.start(command.args)
        elif isinstance(command, Run):
            await self._run(command, batch)
        elif isinstance(command, Transfer):
            await self._transfers.execute(command, self._runtime.volumes, batch.progress)

    async def _misbehave(self, command: Command) -> None:
        wrong = self._misbehaviour
        if isinstance(command, Deploy) and wrong.slow_deploy:
            await asyncio.sleep(wrong.slow_deploy)
        never = isinstance(command, Start) and wrong.never_ready
        if never or (command.name == wrong.hang_in and not self._hung):
            self._hung = True
            await asyncio.Event().wait()

    async def _deploy(self, command: Deploy, batch: Batch) -> None:
        await self._runtime.deploy(Deployment(self._image_directory, command.volumes, command.hosts, command.hostname))
        if command.progress is not None:
            batch.progress(1, 1, "The image was there already.")
        await self._connect(command)

    async def _run(self, command: Run, batch: Batch) -> None:
        if self._misbehaviour.hostile_output:
            batch.stdout(hostile_output())
        stdout, stderr = Ring(batch.stdout), Ring(batch.stderr)
        try:
            argv = [command.entry_point, *command.args]
            status = await self._runtime.run(argv, on_stdout=stdout.write, on_stderr=stderr.write)
        finally:
            stdout.fetch()
            stderr.fetch()
        if status:
            raise CommandFailed(status)
