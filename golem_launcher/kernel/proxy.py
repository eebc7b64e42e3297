"""The kernel on this side: what clients ask, passed on to the kernel over there or answered here.

Requests for the kernel over there are passed on as they come, its answers as they come (:mod:`answers`). Cells wait for
their turn (:mod:`cell_queue`) and are run one at a time where a command of ours is in them (:mod:`cell_runner`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.kernel import unconnected_replies
from golem_launcher.kernel.cell_parser import meant
from golem_launcher.kernel.cell_queue import CellQueue
from golem_launcher.kernel.cell_runner import CellRunner
from golem_launcher.kernel.clients import Clients
from golem_launcher.kernel.commands.registry import NAMES, about_commands
from golem_launcher.kernel.forwarded_answers import Answers
from golem_launcher.kernel.pending_requests import EXECUTE, Outstanding, Request
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.kernel.client_sockets import ClientSockets
    from golem_launcher.kernel.connection import KernelHere
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.remote_kernel import RemoteKernel

_LOG = logging.getLogger(__name__)


class Proxy:
    """Between a :class:`ClientSockets` and a :class:`Notebook`. ``run`` once, until a client shuts the kernel down.

    ``lines``: as of :class:`Output`.
    """

    def __init__(
        self, sockets: ClientSockets, notebook: Callable[[KernelHere], Notebook], *, lines: bool = False
    ) -> None:
        self._sockets = sockets
        self._clients = Clients(sockets, lines=lines)
        self._outstanding = Outstanding()
        self._queue = CellQueue()
        self.notebook = notebook(Answers(self._outstanding, self._queue, self._clients))
        self._runner = CellRunner(self.notebook, self._queue, self._outstanding, self._clients, self._pass_on_now)
        self._inbox: asyncio.Queue[tuple[str, list[bytes], JupyterMessage]] = asyncio.Queue()
        self._over = asyncio.Event()
        self._restarts = False

    async def run(self) -> bool:
        """Serve until the end; whether a client is about to start the kernel anew."""
        self._sockets.open(lambda *heard: self._inbox.put_nowait(heard))
        await self._clients.tell_state("starting")
        tasks = [asyncio.create_task(part()) for part in (self._read, self._runner.run, self.notebook.begin)]
        await self._clients.tell_state("idle")
        over = asyncio.ensure_future(self._over.wait())
        try:
            while not over.done():
                done, _ = await asyncio.wait({over, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & set(tasks):
                    tasks.remove(task)  # type: ignore[arg-type]
                    task.result()
        finally:
            await cancel_all(over, *tasks)
        return self._restarts

    def shut_down(self) -> None:
        """End, as when a client asks for it."""
        self._over.set()

    async def interrupt(self) -> None:
        """Interrupt what runs, here or there. What waits for its turn is aborted by the error that this makes."""
        connection = self.notebook.connection
        if self._outstanding.cells() and connection is not None and connection.kernel is not None:
            try:
                await connection.kernel.interrupt()
            except LauncherError as error:
                _LOG.warning("not interrupted: %s", error)
        else:
            self._runner.interrupt()

    async def _read(self) -> None:
        while True:
            channel, identities, message = await self._inbox.get()
            try:
                await self._take(Request(channel, identities, message))
            except Exception as error:  # noqa: BLE001 - no request ends the kernel, and with it a session
                _LOG.warning("a request is not answered: %r", error)

    async def _take(self, request: Request) -> None:
        message, connection = request.message, self.notebook.connection
        kernel = connection.kernel if connection is not None else None
        own = {
            ("control", "shutdown_request"): self._shut_down,
            ("control", "interrupt_request"): self._interrupt,
            ("shell", "shutdown_request"): self._shut_down,
        }.get((request.channel, message.kind))
        if own is not None:
            await own(request)
        elif request.channel == "stdin":
            if kernel is not None:
                kernel.send("stdin", message)
        elif message.kind == EXECUTE:
            request.content = message.content()
            if self._outstanding.knows_subshell(message) and kernel is not None:
                self._pass_on(request, kernel)
            else:
                self._queue.add(request)
        elif (content := about_commands(message, self.notebook)) is not None:
            await self._clients.answer(request, content)
        elif connection is not None and kernel is not None and connection.back.is_set() and not connection.over:
            self._pass_on(request, kernel)
        else:
            await self._clients.answer(request, unconnected_replies.answer(message, self.notebook.banner))

    def _pass_on_now(self, request: Request) -> None:
        """To the kernel over there. Raises ``NotConnected``."""
        self._pass_on(request, self.notebook.kernel())

    def _pass_on(self, request: Request, kernel: RemoteKernel) -> None:
        """To the kernel over there. One for a subshell that is gone goes to the shell."""
        message = request.message
        if "subshell_id" in message.header and not self._outstanding.knows_subshell(message):
            message = message.with_header(subshell_id=None)
        if message.kind == EXECUTE:
            request.meant = meant(str(request.content.get("code", "")), NAMES)
        if message.kind.endswith("_request"):
            self._outstanding.add(request)
        kernel.send(request.channel, message)

    async def _shut_down(self, request: Request) -> None:
        self._restarts = bool(request.message.content().get("restart"))
        content = {"status": "ok", "restart": self._restarts}
        await self._clients.answer(request, content)
        await self._clients.tell_all("shutdown_reply", content, request.message)
        self._over.set()

    async def _interrupt(self, request: Request) -> None:
        await self.interrupt()
        await self._clients.answer(request, {"status": "ok"})
