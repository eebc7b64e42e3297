"""Transfers by commands of an activity, for whoever is not its supervisor: what is asked of it, and who asks.

The supervisor alone has the activity. It moves whole files, pieces that the agent makes or takes; what is in them is
said between the agent's server and who asks, through the session's port socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.access.machine.agent_ports import AGENT_PORT
from golem_launcher.access.sockets import port_socket
from golem_launcher.agent.workspace.copying import PREFIX
from golem_launcher.errors import AccessError, LauncherError, ProviderError, SessionError
from golem_launcher.session.on_disk import liveness
from golem_launcher.waiting import wait_for
from golem_launcher.workspace.transfer.agent_workspace import PACKS_THERE, AgentWorkspace
from golem_launcher.workspace.transfer.remote_files import RemoteFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.workspace.transfer.agent_workspace import BulkTransfer

_NAME = re.compile(re.escape(f"{PACKS_THERE}/{PREFIX}") + "[0-9a-f]{12}")
_SECONDS = 330.0
"""A command of an activity ends before."""


async def transfer(bulk: BulkTransfer, arguments: dict[str, Any]) -> None:
    """Move a piece as the arguments of a command to the supervisor say. Raises ``LauncherError``."""
    match arguments:
        case {"way": "in" | "out" as way, "there": str(there), "here": str(here)} if (
            _NAME.fullmatch(there) and os.path.isabs(here)  # noqa: PTH117 - it is no path yet
        ):
            if way == "in":
                await bulk.transfer_in(Path(here), there)
            else:
                await bulk.transfer_out(there, Path(here))
        case _:
            raise LauncherError("That names no transfer.")


@contextlib.asynccontextmanager
async def remote_files(directory: SessionDirectory, machine: int) -> AsyncIterator[RemoteFiles]:
    """The files of a machine, for a program that is not the session's supervisor.

    Raises ``AccessError`` when there is no way to it; what comes later raises what :class:`RemoteFiles` does.
    """
    try:
        token = (await asyncio.to_thread(liveness.control, directory, "agent", machine=machine))["token"]
    except SessionError as error:
        raise AccessError(error.what, error.remedy) from None
    dial = partial(port_socket.dial, port_socket.port_socket_path(directory.path), AGENT_PORT, machine)
    scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="pieces-", dir=directory.scratch))
    try:
        async with AgentWorkspace(dial, token, _BySupervisor(directory, machine)) as agent:
            yield RemoteFiles(agent, scratch)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


class _BySupervisor:
    """Has the supervisor transfer files."""

    def __init__(self, directory: SessionDirectory, machine: int) -> None:
        self._directory = directory
        self._machine = machine

    async def transfer_out(self, container_path: str, local_path: Path) -> None:
        """Fetch a file of the container. Raises ``ProviderError``."""
        await self._transfer("out", container_path, local_path)

    async def transfer_in(self, local_path: Path, container_path: str) -> None:
        """Send a file into the container. Raises ``ProviderError``."""
        await self._transfer("in", container_path, local_path)

    async def _transfer(self, way: str, there: str, here: Path) -> None:
        arguments = {"machine": self._machine, "way": way, "there": there, "here": str(here)}
        line = json.dumps({"command": "transfer", "arguments": arguments}).encode() + b"\n"
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._directory.control_socket))
            try:
                writer.write(line)
                answer = json.loads(await wait_for(reader.readline(), _SECONDS))
            finally:
                writer.close()
        except (OSError, ValueError, TimeoutError) as error:
            raise ProviderError("The session's supervisor does not transfer files.") from error
        if not answer.get("ok"):
            raise ProviderError(str(answer.get("what")), str(answer.get("remedy", "")))
