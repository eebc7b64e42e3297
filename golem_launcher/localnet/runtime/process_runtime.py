"""The ``process`` runtime: a private directory and a private Python environment, no privilege, any machine.

There are no mounts. Container paths in arguments are replaced by those of the private directory, the working
directory is that of /golem/work, and a server inside must bind to ``GOLEM_BIND_ADDRESS``. It keeps accidents in, not
malice: a program inside is a program of the user who runs the provider.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime import nvidia_smi, python_environment
from golem_launcher.localnet.runtime.control import InitProcess, ProcessSpec
from golem_launcher.localnet.runtime.environment_variables import PRIVATE_DIRECTORIES, of_process
from golem_launcher.localnet.runtime.escaped_processes import kill_escaped
from golem_launcher.localnet.runtime.usage import UsageReader
from golem_launcher.localnet.runtime.volumes import Volumes
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Interface

    from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace, Deployment
    from golem_launcher.localnet.runtime.usage import ActivityUsage

_DIAL_SECONDS = 5.0


class ProcessRuntime:
    """Runs commands as plain processes. See :class:`golem_launcher.localnet.runtime.runtime_interface.Runtime`."""

    name = "process"

    def __init__(self, place: ActivityPlace) -> None:
        self._place = place
        self.volumes = Volumes(place.directory / "root")
        self._init = InitProcess()
        self._usage_reader = UsageReader(place.directory, place.memory_bytes)
        self._env: dict[str, str] = {}

    async def deploy(self, deployment: Deployment) -> None:
        """Make the directories and the environment; an image can't be booted here."""
        if deployment.image_directory is not None:
            raise LocalNetError(
                "This provider has no sandbox, so it can't boot an image.", "Install bubblewrap on the provider."
            )
        self.volumes = Volumes.of(self.volumes.root, deployment.volumes)
        await asyncio.to_thread(self._make)
        place = self._place
        prefix = PurePosixPath(place.directory / "env")
        self._env = of_process(place, prefix)
        await self._init.start()

    def _make(self) -> None:
        self.volumes.create()
        directory = self._place.directory
        for name in PRIVATE_DIRECTORIES:
            (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / "env").is_dir():
            made = python_environment.create(self._place.base, directory / "env")
            nvidia_smi.put(self._place.gpus, made)

    async def start(self, args: Sequence[str]) -> None:
        """Nothing to boot."""

    async def run(
        self, argv: Sequence[str], *, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """Run a command, container paths in its arguments translated."""
        translated = [self.volumes.translate(argument) for argument in argv]
        work = self.volumes.directory(self.volumes.mounts[0])
        return await self._init.run_silently(ProcessSpec(translated, self._env, str(work)), on_stdout, on_stderr)

    async def interface(self, name: str, address: IPv4Interface, mac: bytes) -> None:
        """None: the network is this machine's."""

    async def dial(self, port: int) -> socket.socket:
        """Connect to the activity's own loopback address: never to 127.0.0.1, where the user's own servers are."""
        return await _connect(self._place.bind_address, port)

    async def usage(self) -> ActivityUsage:
        """Measured from the tree of processes below the activity's first."""
        return await self._usage_reader.read(self._init.pid)

    async def until_gone(self) -> None:
        """Wait until its first process has ended."""
        await self._init.gone.wait()

    async def stop(self) -> None:
        """Kill every process of it."""
        await self._init.aclose()
        await asyncio.to_thread(functools.partial(kill_escaped, self._place.mark))


async def _connect(address: str, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await wait_for(asyncio.get_running_loop().sock_connect(connection, (address, port)), _DIAL_SECONDS)
    except TimeoutError:
        connection.close()
        raise TimeoutError(f"port {port} did not answer") from None
    except BaseException:
        connection.close()
        raise
    return connection
