"""Runs cells: those without a command of ours are passed on as they are, the others are run here, part by part."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.kernel import messages
from golem_launcher.kernel.cell_parser import Code, CommandCall, meant, split
from golem_launcher.kernel.cell_queue import count_of
from golem_launcher.kernel.commands import registry
from golem_launcher.kernel.output import error_content, error_of
from golem_launcher.kernel.pending_requests import EXECUTE, Request
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.kernel.cell_queue import CellQueue
    from golem_launcher.kernel.clients import Clients
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output
    from golem_launcher.kernel.pending_requests import Outstanding

_LOG = logging.getLogger(__name__)
_EXITS = {"exit", "quit", "exit()", "quit()"}
"""What leaves a console."""
_INTERRUPTED = ("KeyboardInterrupt", "")


class CellRunner:
    """Runs the cells of one notebook. ``pass_on`` gives a request to the remote kernel, or raises ``NotConnected``."""

    def __init__(
        self,
        notebook: Notebook,
        queue: CellQueue,
        outstanding: Outstanding,
        clients: Clients,
        pass_on: Callable[[Request], None],
    ) -> None:
        self._notebook = notebook
        self._queue = queue
        self._outstanding = outstanding
        self._clients = clients
        self._pass_on = pass_on
        self._running: asyncio.Task[dict[str, Any]] | None = None
        """The cell that is run here."""

    async def run(self) -> None:
        """Run the cells of the queue one after the other, until it is cancelled."""
        while True:
            cell = await self._queue.take()
            try:
                await self._run(cell)
            except Exception as error:  # noqa: BLE001 - it must leave neither this cell nor the next without an end
                _LOG.exception("a cell failed")
                await self._clients.answer(cell, {"status": "error", **error_content(type(error).__name__, str(error))})

    def interrupt(self) -> None:
        """Interrupt the cell that is run here, if one is."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self, cell: Request) -> None:
        parts = split(str(cell.content.get("code", "")), registry.NAMES)
        for_kernel = len(parts) == 1 and isinstance(parts[0], Code)
        if not cell.aborted and for_kernel and self._notebook.may_pass_on:
            self._queue.begun()
            self._pass_on(cell)
            return
        await self._outstanding.cells_are_over()
        self._queue.begun()
        if cell.aborted:
            await self._clients.answer(cell, {"status": "aborted"})
            return
        await self._clients.tell_state("busy", cell.message)
        output = self._clients.output(cell)
        if not cell.content.get("silent"):
            self._queue.count += 1
            number = self._queue.count
            await output.tell("execute_input", {"code": cell.content["code"], "execution_count": number})
        content = await self._outcome(cell, parts, output)
        content["execution_count"] = count_of(content) or self._queue.count
        self._queue.count = max(self._queue.count, content["execution_count"])
        await self._clients.reply(cell, content)
        self._queue.note_failure(cell, content)
        await self._clients.tell_state("idle", cell.message)

    async def _outcome(self, cell: Request, parts: list[Code | CommandCall], output: Output) -> dict[str, Any]:
        """Run all parts, unless it is interrupted; the content of the reply."""
        task = self._running = asyncio.ensure_future(self._run_parts(cell, parts, output))
        try:
            await asyncio.wait({task})
        finally:
            self._running = None
            await cancel_all(task)
        if not task.cancelled():
            return task.result()
        await output.fail(*_INTERRUPTED)
        return {"status": "error", **error_content(*_INTERRUPTED)}

    async def _run_parts(self, cell: Request, parts: list[Code | CommandCall], output: Output) -> dict[str, Any]:
        content: dict[str, Any] = {"status": "ok", "payload": [], "user_expressions": {}}
        try:
            await self._notebook.restored()
            for number, part in enumerate(parts):
                if isinstance(part, CommandCall):
                    await registry.run(self._notebook, part, output)
                    if registry.COMMANDS[part.name].before_cell and not part.asks:
                        content = await self._run_rest(cell, part.body or "", output)
                elif self._notebook.connection is None and part.text.strip() in _EXITS:
                    content["payload"] = [{"source": "ask_exit", "keepkernel": False}]
                else:
                    if self._notebook.has_nowhere_to_run:
                        _refuse_slip(part.text)
                    await self._notebook.be_connected(output)
                    content = await self._run_code(cell, part.text, last=number == len(parts) - 1)
                if content.get("status") != "ok":
                    break
        except LauncherError as error:
            return await _failed(output, *error_of(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave the cell without an end
            _LOG.exception("a command failed")
            return await _failed(output, type(error).__name__, str(error))
        return content

    async def _run_rest(self, cell: Request, code: str, output: Output) -> dict[str, Any]:
        """The rest of a cell that needs a GPU, at the machine with one."""
        try:
            await self._notebook.be_connected(output)
            return await self._run_code(cell, code, last=True)
        finally:
            await self._notebook.gpu.renew()

    async def _run_code(self, cell: Request, code: str, *, last: bool) -> dict[str, Any]:
        """Python of a cell of ours, at the kernel over there; what it replies."""
        content = {**cell.content, "code": code}
        if not last:
            content["user_expressions"] = {}
        message = messages.make(EXECUTE, content, session=str(cell.message.header.get("session", "")))
        request = Request("shell", cell.identities, message, content, cell)
        self._pass_on(request)
        await request.done.wait()
        return dict(request.reply or {"status": "ok"})


def _refuse_slip(code: str) -> None:
    """Raise ``RequestError`` where a line of this code is a command of ours, but for a letter or two."""
    if near := meant(code, registry.NAMES):
        raise RequestError("There is no such command.", f"Did you mean {near}?")


async def _failed(output: Output, ename: str, evalue: str) -> dict[str, Any]:
    await output.fail(ename, evalue)
    return {"status": "error", **error_content(ename, evalue)}
