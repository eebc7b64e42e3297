"""Large files between the session's JupyterLab and whoever opens its link, by transfers of the activity.

JupyterLab itself is asked, over there, by whatever cookies and token the browser shows: it decides who reads and writes
what, and this side and the agent's know no path.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import AccessError, ProviderError, WorkspaceError
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.access.lab.uploads import Sending
    from golem_launcher.access.machine.provider_http import Dial
    from golem_launcher.access.origin_policy import Headers
    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer
    from golem_launcher.workspace.transfer.relayed_download import RelayedDownload
    from golem_launcher.workspace.transfer.remote_files import RemoteFiles
    from golem_launcher.workspace.transfer.replayed_upload import ReplayedUpload

_MOST = 8
"""Files at a time: each takes a connection to the agent, and all the others of the session want some."""


class LabLargeFiles:
    """Large files of the Lab at one session's head. ``attach`` to each of its providers, ``detach`` when it goes."""

    def __init__(self, directory: SessionDirectory, head: MachineEndpoint) -> None:
        self._scratch = directory.scratch
        self._head = head
        self._bulk: BulkTransfer | None = None
        self._agent: AgentWorkspace | None = None
        """Of the present provider, once a file was asked for."""
        self._tended: set[asyncio.Task[None]] = set()
        """One for each file that is under way."""

    def attach(self, bulk: BulkTransfer) -> None:
        """The head is at another provider now. Called once its agent runs, after :meth:`detach`."""
        self._bulk = bulk

    async def detach(self) -> None:
        """Let go of the present provider; files that are under way break off."""
        self._bulk = None
        await cancel_all(*self._tended)
        if self._agent is not None:
            agent, self._agent = self._agent, None
            await agent.__aexit__(None, None, None)

    async def connect(self, dial: Dial) -> Stream:
        """A connection to JupyterLab for one question; ``dial`` leads to the agent's server.

        Raises ``AccessError`` or ``OSError`` where there can be none now: the tunnel leads there as well.
        """
        from golem_launcher.workspace.transfer.relayed_download import RelayedDownload  # noqa: PLC0415 - used by few

        remote, scratch = await self._remote_files()
        relayed: RelayedDownload | None = None
        try:
            relayed = RelayedDownload(await dial(), remote)
            await relayed.begin(self._head.token)
        except BaseException as error:
            if relayed is not None:
                await relayed.aclose()
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
            if isinstance(error, ProviderError | WorkspaceError):
                raise AccessError(error.what) from error
            raise
        self._tend(relayed, scratch)
        return relayed

    async def begin_upload(self, headers: Headers) -> Sending:
        """What has the parts of an upload asked with these headers. Raises ``AccessError`` as :meth:`connect`."""
        from golem_launcher.workspace.transfer.replayed_upload import ReplayedUpload  # noqa: PLC0415 - likewise

        remote, scratch = await self._remote_files()
        replayed = ReplayedUpload(remote, [(name.decode("ascii"), value.decode("latin-1")) for name, value in headers])
        self._tend(replayed, scratch)
        return replayed

    async def _remote_files(self) -> tuple[RemoteFiles, Path]:
        """A client of the present provider's agent, and the directory of this file's pieces."""
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - likewise
        from golem_launcher.workspace.transfer.remote_files import RemoteFiles  # noqa: PLC0415 - likewise

        if self._bulk is None:
            raise AccessError("There is no provider.")
        if len(self._tended) >= _MOST:
            raise AccessError("So many files are under way at a time.")
        if self._agent is None:
            self._agent = AgentWorkspace(self._head.dial_agent, self._head.token, self._bulk)
        agent = self._agent
        scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="pieces-", dir=self._scratch))
        return RemoteFiles(agent, scratch), scratch

    def _tend(self, file: RelayedDownload | ReplayedUpload, scratch: Path) -> None:
        tending = asyncio.create_task(_to_its_end(file, scratch))
        self._tended.add(tending)
        tending.add_done_callback(self._tended.discard)


async def _to_its_end(file: RelayedDownload | ReplayedUpload, scratch: Path) -> None:
    """Clear away after a file, once it is closed."""
    try:
        await file.closed.wait()
    finally:
        try:
            await file.aclose()
        finally:  # one that is just being read can't be closed: its reader hears of it
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
