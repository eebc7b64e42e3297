"""Runs one command in a runtime."""

from __future__ import annotations

import asyncio
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from golem_launcher.localnet.exeunit.failures import CommandFailed
from golem_launcher.localnet.exeunit.image import BootableImage
from golem_launcher.localnet.exeunit.ring_buffer import Ring
from golem_launcher.localnet.exeunit.script import Deploy, RunProgram, Start, Transfer
from golem_launcher.localnet.exeunit.transfer import Paced
from golem_launcher.localnet.misbehaviour import Misbehaviour, hostile_output
from golem_launcher.localnet.runtime.runtime_interface import Deployment
from golem_launcher.localnet.runtime.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from golem_launcher.localnet.exeunit.assignment import FindImage
    from golem_launcher.localnet.exeunit.batch import Batch
    from golem_launcher.localnet.exeunit.script import Command
    from golem_launcher.localnet.exeunit.transfer import Transfers
    from golem_launcher.localnet.runtime.runtime_interface import Runtime


_CLAIMED_STATUS = 3


class CommandRunner:
    """Carries out the commands of one runtime, as badly as the provider's misbehaviour says."""

    def __init__(
        self,
        runtime: Runtime,
        transfers: Transfers,
        image: FindImage | None,
        misbehaviour: Misbehaviour,
        connect: Callable[[Deploy], Awaitable[None]],
    ) -> None:
        """``connect`` joins the VPNs that a deployment names, once there is something to connect to."""
        self._runtime = runtime
        self._transfers = transfers
        self._image = image
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
        elif isinstance(command, RunProgram):
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
        image = BootableImage()
        if self._image is not None:
            say = batch.message if command.progress is not None else _say_nothing
            image = await self._image(Paced(batch.progress, command.progress), say)
        volumes = (*(Volume(PurePosixPath(path)) for path in image.volumes), *command.volumes)
        await self._runtime.deploy(
            Deployment(image.directory, volumes, command.hosts, command.hostname, image.workdir, image.variables)
        )
        batch.stdout(_deploy_result(self._runtime.volumes.mounts, image.note))
        await self._connect(command)

    async def _run(self, command: RunProgram, batch: Batch) -> None:
        if self._misbehaviour.hostile_output:
            batch.stdout(hostile_output())
        if self._misbehaviour.fail_run:
            batch.stderr(self._misbehaviour.fail_run.encode())
            raise CommandFailed(_CLAIMED_STATUS)
        stdout, stderr = Ring(batch.stdout), Ring(batch.stderr)
        try:
            argv = [command.entry_point, *command.args]
            status = await self._runtime.run(argv, on_stdout=stdout.write, on_stderr=stderr.write)
        finally:
            stdout.fetch()
            stderr.fetch()
        if status:
            raise CommandFailed(status)


def _deploy_result(volumes: Iterable[PurePosixPath], note: str) -> bytes:
    """What a runtime prints when it has deployed, which is the output of the command."""
    mounts = [{"name": f"vol-{number}", "path": str(path)} for number, path in enumerate(volumes)]
    return json.dumps({"valid": {"Ok": note}, "vols": mounts, "startMode": "blocking"}).encode()


def _say_nothing(_message: str) -> None:
    pass
