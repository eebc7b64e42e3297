"""What a notebook has chosen, and the session that it is connected to."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal

from golem_launcher.errors import LauncherError, RequestError, SessionError
from golem_launcher.kernel import cards
from golem_launcher.kernel.gpu_borrower import GpuBorrower
from golem_launcher.kernel.local_kernel import LocalKernel
from golem_launcher.kernel.synced_folder import SyncedFolder
from golem_launcher.kernel.unconnected_replies import NOT_CONNECTED
from golem_launcher.networks import DEFAULT, NETWORKS
from golem_launcher.request import parse_request
from golem_launcher.units import coins

if TYPE_CHECKING:
    from golem_launcher.kernel.connection import KernelHere, SessionConnection
    from golem_launcher.kernel.connection_record import Attachment, KernelRecord
    from golem_launcher.kernel.output import Output, Shown
    from golem_launcher.kernel.remote_kernel import RemoteKernel
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
OnShutdown = Literal["disconnect", "leave-running"]
_LONGEST_START_SECONDS = 3600.0
_STOP_SECONDS = 30.0
_BANNER = "Python 3 on a provider of the Golem network. Connect: %connect local 1 (to try it), %help says the rest."


class NotConnected(LauncherError):  # noqa: N818 - reads as what it says
    """The notebook is connected to no provider that could run a cell."""


class Notebook:
    """One kernel's choices and connection. Its methods are called by the proxy and by commands, one at a time."""

    def __init__(
        self,
        owner: KernelHere,
        record: KernelRecord,
        *,
        request: dict[str, Any] | None = None,
        on_shutdown: OnShutdown = "disconnect",
    ) -> None:
        self.owner = owner
        self.record = record
        self.choices: dict[str, Any] = dict(request or {})
        """Fields of the next request."""
        self.autoconnect = request is not None
        """Whether a cell connects by itself."""
        self.connection: SessionConnection | None = None
        self.last: SessionDirectory | None = None
        """The session that it is, or was, connected to."""
        self.here = LocalKernel()
        self.on_shutdown: OnShutdown = on_shutdown
        self.synced = SyncedFolder(record, self.connected)
        self.gpu = GpuBorrower()
        """What cells with ``%%gpu`` asked for."""
        self._restoring: asyncio.Task[None] | None = None

    banner = _BANNER

    @property
    def network(self) -> str:
        """The chosen network's name."""
        return str(self.choices.get("network", DEFAULT))

    @property
    def token(self) -> str:
        """The coin of the chosen network."""
        return NETWORKS[self.network].token

    def choose(self, fields: dict[str, Any]) -> None:
        """Choose fields of the next request. What one network may cost is not said of another."""
        if fields.get("network", self.network) != self.network:
            self.choices.pop("budget", None)
        self.choices.update(fields)

    @property
    def may_pass_on(self) -> bool:
        """Whether a cell can go to the kernel over there as it is."""
        connection = self.connection
        there = connection is not None and connection.back.is_set() and not connection.over and not connection.news
        return there and not self.gpu.may_return

    async def begin(self) -> None:
        """Called once, at the start: after a restart the session of before is there still."""
        before = await asyncio.to_thread(self.record.read)
        if before is not None:
            self._restoring = asyncio.create_task(self._restore(before))
            await self._restoring

    async def _restore(self, before: Attachment) -> None:
        from golem_launcher.session.on_disk import liveness
        from golem_launcher.session.on_disk.directory import session_directory

        try:
            directory = session_directory(before.session)
            if not await asyncio.to_thread(liveness.alive, directory):
                raise SessionError(f"The session '{before.session}' is over.")
            self.connection = await self._open(directory, None, before.notebook, ends_session=before.ends_session)
            await self.synced.go_on_after_restart(before.synced)
        except LauncherError as error:
            _LOG.warning("not connected again: %s", error)
            await asyncio.to_thread(self.record.remove)

    async def end(self, *, restarts: bool, orphaned: asyncio.Event | None = None) -> None:
        """Called once, at the end. Who restarts finds the session; else it ends, unless it is to be left running.

        ``orphaned``: the kernel's Jupyter was killed, so another notebook may take the session for a while, at most
        until this is set.
        """
        from golem_launcher.kernel.orphan import is_taken

        if self._restoring is not None and not self._restoring.done():
            self._restoring.cancel()
        await self.here.aclose()
        connection = self.connection
        if connection is None:
            return
        leaves_running = self.on_shutdown == "leave-running"
        if restarts:
            await self.synced.leave()
            await connection.give_up_kernel()
        elif leaves_running or (orphaned is not None and not connection.ends_session):
            await self.synced.leave(in_a_hurry=orphaned is None)
        elif orphaned is None or not await is_taken(connection, self.record, orphaned):
            await self._leave(connection)
        else:
            await self.synced.leave()
        await connection.aclose()

    async def _leave(self, connection: SessionConnection) -> None:
        """Jupyter gives a kernel five seconds to end: first comes what costs."""
        if await connection.part():
            await asyncio.to_thread(_ask_to_stop, connection.directory)
            await self.synced.leave_at_its_end(connection.directory)
        else:
            await self.synced.leave(in_a_hurry=True)
            await connection.give_up_kernel()

    @property
    def has_nowhere_to_run(self) -> bool:
        """Whether Python of a cell can run nowhere, until a command has connected the notebook."""
        return self.connection is None and not self.autoconnect

    async def restored(self) -> None:
        """Called before a cell is run here: wait until the session of before a restart is joined, if there was one."""
        if self._restoring is not None:
            await asyncio.shield(self._restoring)

    async def be_connected(self, output: Output) -> None:
        """Called before Python of a cell is run: connect if that is wanted, wait for a machine that comes back.

        What was lost meanwhile, and what is back, is said in the cell. Raises ``NotConnected``.
        """
        connection = self.connection
        if connection is not None:
            await self._wait_for(connection, output)
        if connection is not None and connection.over:
            self.connection = None
            await self.synced.fetch_last(output)
            await connection.aclose()
            await asyncio.to_thread(self.record.remove)
            if not self.autoconnect:
                raise NotConnected(connection.over, "Connect again: %connect")
            await output.say(connection.over, error=True)
            connection = None
        if connection is None:
            if not self.autoconnect:
                raise NotConnected(
                    NOT_CONNECTED,
                    "Connect: %connect local 1 (on this computer, to try it), %connect hoodi 1 (test network); %help "
                    "says more. Or have the first cell do it: %autoconnect on",
                )
            await self.connect(output, {})

    async def connect(self, output: Output, fields: dict[str, Any], seconds: float = _LONGEST_START_SECONDS) -> None:
        """Start a session by the choices and these fields, and connect to it. Raises ``LauncherError``."""
        from golem_launcher.kernel.connection import begin, check_workload, until_saved_before
        from golem_launcher.session.client import waking
        from golem_launcher.session.saving.saved_work import resuming

        asked = parse_request({**self.choices, **fields})
        request = await asyncio.to_thread(resuming, asked)
        check_workload(request.workload)
        if "budget" not in fields and (request.network != self.network or "budget" not in self.choices):
            _refuse_real_money(request)
        place, title = output.place(), _connecting(request)

        async def ends(state: SessionState) -> None:
            await place.show(cards.ending(state, f"Waiting for '{state.name}', which saves what this one goes on with"))

        async def told(state: SessionState) -> None:
            await place.show(cards.starting(state, title))

        await place.show(cards.progress(title))  # what fails next may fail because of the network chosen before
        await until_saved_before(request, ends)
        requested = await asyncio.to_thread(waking.going_on, asked)  # of a suspended one, what is left of it
        title = _connecting(requested.request)
        directory = await begin(requested, told, seconds)
        try:
            connection = self.connection = await self._open(directory, None, ends_session=True)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_ask_to_stop, directory))
            raise
        await output.show(await _card(connection))
        await self.synced.go_on(output)

    async def attach(
        self, directory: SessionDirectory, kernel_id: str | None, *, ends_session: bool, name: str = ""
    ) -> bool:
        """Connect to a session that runs; whether to the kernel that was asked for. Raises ``LauncherError``.

        ``name``: what the Jupyter over there calls the notebook of that kernel.
        """
        self.connection = await self._open(directory, kernel_id, name, ends_session=ends_session)
        return self.connection.kernel is not None and self.connection.kernel.id == kernel_id

    async def card(self) -> Shown:
        """The session at a glance. Raises ``NotConnected``."""
        return await _card(self.connected())

    def connected(self) -> SessionConnection:
        """The connection. Raises ``NotConnected``."""
        if self.connection is None or self.connection.over:
            why = self.connection.over if self.connection is not None else ""
            raise NotConnected(why or NOT_CONNECTED, "Connect: %connect")
        return self.connection

    def kernel(self) -> RemoteKernel:
        """The kernel over there. Raises ``NotConnected``."""
        kernel = self.connected().kernel
        if kernel is None:
            raise NotConnected(NOT_CONNECTED, "Connect again: %connect")
        return kernel

    async def _open(
        self, directory: SessionDirectory, kernel_id: str | None, name: str = "", *, ends_session: bool
    ) -> SessionConnection:
        from golem_launcher.kernel.connection import SessionConnection

        connection = SessionConnection(directory, self.record, self.owner, ends_session=ends_session, notebook=name)
        await connection.open(kernel_id)
        self.last = directory
        await asyncio.to_thread(_forget_what_is_over)
        return connection

    async def _wait_for(self, connection: SessionConnection, output: Output) -> None:
        """Wait until cells can run over there, or it is over; what was lost, and what is back, is said.

        Nothing is awaited after the last look: a machine that is left then ends what is sent, and that is told.
        """
        place = output.place()
        began = asyncio.get_running_loop().time()
        while not connection.over:
            if await connection.until_there(place):
                await place.show(cards.progress(f"Waited {asyncio.get_running_loop().time() - began:.1f} s."))
            elif connection.news:
                news, connection.news = connection.news, ""
                await output.say(news, error=True)
            else:
                break


def chosen_network(name: str) -> tuple[str, str]:
    """A network by its name, or the one instead of a retired one, and what to say of that.

    Raises ``RequestError``.
    """
    from golem_launcher.networks import RETIRED, unknown

    if name in NETWORKS:
        return name, ""
    if name in RETIRED:
        return RETIRED[name], f"The network '{name}' is retired: '{RETIRED[name]}' is used instead."
    raise RequestError(f"Network: {unknown(name)}.", field="network")


def _connecting(request: LaunchRequest) -> str:
    """What is shown while a provider is looked for."""
    network = NETWORKS[request.network]
    most = f", for at most {coins(request.budget)} {network.token}" if network.settles else ""
    return f"Connecting to a provider on {network.title}{most}"


def _refuse_real_money(request: LaunchRequest) -> None:
    """Of a request for whose network nobody said how much it may cost: raise ``RequestError`` where that is money."""
    network = NETWORKS[request.network]
    if network.is_real_money:
        raise RequestError(
            f"A session on {network.title} costs real money, and nobody said how much it may be.",
            f"Say the most that it may cost: %connect {network.name} 1, for 1 {network.token} (in a file: budget: 1).",
            field="budget",
        )


def _forget_what_is_over() -> None:
    """Remove the records of notebooks that were killed and whose sessions are over."""
    from golem_launcher.kernel.connection_record import KernelRecord
    from golem_launcher.session.on_disk import liveness

    KernelRecord.sweep({one.name for one in liveness.living()})


def _ask_to_stop(directory: SessionDirectory) -> None:
    """Have the supervisor save and end the session; it does so by itself from here on."""
    from golem_launcher.session import client

    client.ask_to_stop(directory, _STOP_SECONDS)


async def _card(connection: SessionConnection) -> Shown:
    """A session at a glance."""
    state = await connection.state()
    request = await asyncio.to_thread(connection.directory.request)
    machine = cards.machine_rows(request, state)
    return cards.connected(state, token=NETWORKS[state.network].token, machine=machine)
