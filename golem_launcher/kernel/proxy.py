"""The kernel on this side: what clients ask, passed on to the kernel over there or answered here.

Requests for the kernel over there are passed on as they come, its answers as they come. Cells with a command of ours
are run here, one at a time and in their order among the others; the Python in them becomes requests of our own, whose
output is given to clients as that of the cell.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.kernel import messages, unconnected
from golem_launcher.kernel.cells import Call, Code, meant, names_command, split
from golem_launcher.kernel.output import Output, error_content, error_of
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.kernel.front import Front
    from golem_launcher.kernel.messages import Message
    from golem_launcher.kernel.notebook import Notebook

_LOG = logging.getLogger(__name__)
_EXECUTE = "execute_request"
_OLD_SECONDS = 4.0
"""A request that is younger may still be on its way to a kernel that is idle."""
_EXITS = {"exit", "quit", "exit()", "quit()"}
"""What leaves a console."""
_INTERRUPTED = ("KeyboardInterrupt", "")
_LARGEST_REPLY = 4 * 1024 * 1024
"""Of what a larger reply says, no more than that there is one is passed on."""
_PAYLOADS = {"page", "ask_exit"}
"""What comes with the reply to a cell and does no harm, by its source."""
_UNREAD = {"status": "ok"}
_UNKNOWN_MAGIC = re.compile(r"UsageError: (Line magic function|Cell magic) ")
"""As IPython says it."""
_MOST_CELLS = 1 << 31


@dataclass
class Request:
    """One that a client made, or we on behalf of a cell of its, and that is not answered to its end."""

    channel: str
    identities: list[bytes]
    message: Message
    content: dict[str, Any] = field(default_factory=dict)
    """Of an ``execute_request``."""
    cell: Request | None = None
    """The cell that it is a part of."""
    meant: str = ""
    """The command of ours that a line of it misses by a letter or two."""
    aborted: bool = False
    """A cell before it failed."""
    reply: dict[str, Any] | None = None
    """What was replied, read."""
    idle: bool = False
    passed_on: float = field(default_factory=time.monotonic)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def parent(self) -> bytes:
        """The header that its output has as parent."""
        return (self.cell or self).message.frames[0]


class Proxy:
    """Between a :class:`Front` and a :class:`Notebook`. ``run`` once, until a client shuts the kernel down.

    ``lines``: as of :class:`Output`.
    """

    def __init__(self, front: Front, notebook: Callable[[Proxy], Notebook], *, lines: bool = False) -> None:
        self._lines = lines
        self._front = front
        self._waiting: dict[str, Request] = {}
        """Passed on and not answered to their end, by the ids of their messages."""
        self._cells: deque[Request] = deque()
        """Not begun."""
        self._next: Request | None = None
        """The one that waits until those before it are over."""
        self._another_cell = asyncio.Event()
        self._running: tuple[Request, asyncio.Task[dict[str, Any]]] | None = None
        """The cell that is run here."""
        self._subshells: set[str] = set()
        self._count = 0
        self._inbox: asyncio.Queue[tuple[str, list[bytes], Message]] = asyncio.Queue()
        self._over = asyncio.Event()
        self._restarts = False
        self.notebook = notebook(self)

    async def run(self) -> bool:
        """Serve until the end; whether a client is about to start the kernel anew."""
        self._front.open(lambda *heard: self._inbox.put_nowait(heard))
        await self._tell_status("starting")
        tasks = [asyncio.create_task(part()) for part in (self._read, self._run_cells, self.notebook.begin)]
        await self._tell_status("idle")
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

    # What clients say.

    async def _read(self) -> None:
        while True:
            channel, identities, message = await self._inbox.get()
            try:
                await self._take(Request(channel, identities, message))
            except Exception as error:  # noqa: BLE001 - no request ends the kernel, and with it a session
                _LOG.warning("a request is not answered: %r", error)

    async def _take(self, request: Request) -> None:
        message, connection = request.message, self.notebook.connection
        own = {
            ("control", "shutdown_request"): self._shut_down,
            ("control", "interrupt_request"): self._interrupt,
            ("shell", "shutdown_request"): self._shut_down,
        }.get((request.channel, message.kind))
        if own is not None:
            await own(request)
        elif request.channel == "stdin":
            if connection is not None and connection.kernel is not None:
                connection.kernel.send("stdin", message)
        elif message.kind == _EXECUTE:
            request.content = message.content()
            if self._known_subshell(message) and connection is not None:
                self._pass_on(request)
                return
            self._cells.append(request)
            self._another_cell.set()
        elif (content := unconnected.about_commands(message, self.notebook)) is not None:
            await self._answer(request, content)
        elif connection is not None and connection.back.is_set() and not connection.over:
            self._pass_on(request)
        else:
            await self._answer(request, unconnected.answer(message, self.notebook.banner))

    def _known_subshell(self, message: Message) -> bool:
        return message.header.get("subshell_id") in self._subshells

    def _pass_on(self, request: Request) -> None:
        """To the kernel over there. One for a subshell that is gone goes to the shell."""
        connection = self.notebook.connection
        assert connection is not None
        assert connection.kernel is not None
        message = request.message
        if "subshell_id" in message.header and not self._known_subshell(message):
            message = message.with_header(subshell_id=None)
        if message.kind == _EXECUTE:
            request.meant = meant(str(request.content.get("code", "")), self.notebook.names)
        if message.kind.endswith("_request"):
            request.passed_on = time.monotonic()
            self._waiting[message.id] = request
        connection.kernel.send(request.channel, message)

    async def _answer(self, request: Request, content: dict[str, Any] | None) -> None:
        """Answer here; ``None``: it is a kind that gets no answer."""
        await self._tell_status("busy", request.message)
        if content is not None:
            await self._reply(request, content)
        await self._tell_status("idle", request.message)

    async def _reply(self, request: Request, content: dict[str, Any]) -> None:
        kind = request.message.kind.removesuffix("_request") + "_reply"
        message = messages.make(kind, content, session=self._front.session, parent=request.message.frames[0])
        await self._front.reply(request.channel, request.identities, message)

    async def _shut_down(self, request: Request) -> None:
        self._restarts = bool(request.message.content().get("restart"))
        content = {"status": "ok", "restart": self._restarts}
        await self._answer(request, content)
        parent = request.message.frames[0]
        await self._front.publish(messages.make("shutdown_reply", content, session=self._front.session, parent=parent))
        self._over.set()

    async def _interrupt(self, request: Request) -> None:
        await self.interrupt()
        await self._answer(request, {"status": "ok"})

    async def interrupt(self) -> None:
        """Interrupt what runs, here or there. What waits for its turn is aborted by the error that this makes."""
        connection = self.notebook.connection
        over_there = [one for one in self._waiting.values() if one.message.kind == _EXECUTE]
        if over_there and connection is not None and connection.kernel is not None:
            try:
                await connection.kernel.interrupt()
            except LauncherError as error:
                _LOG.warning("not interrupted: %s", error)
        elif self._running is not None:
            self._running[1].cancel()

    # Cells.

    async def _run_cells(self) -> None:
        while True:
            while self._cells:
                cell = self._cells.popleft()
                try:
                    await self._run_cell(cell)
                except Exception as error:  # noqa: BLE001 - it must leave neither this cell nor the next without an end
                    _LOG.exception("a cell failed")
                    await self._answer(cell, {"status": "error", **error_content(type(error).__name__, str(error))})
            self._another_cell.clear()
            await self._another_cell.wait()

    async def _run_cell(self, cell: Request) -> None:
        parts = split(str(cell.content.get("code", "")), self.notebook.names)
        for_kernel = len(parts) == 1 and isinstance(parts[0], Code)
        if not cell.aborted and for_kernel and self.notebook.may_pass_on:
            self._pass_on(cell)
            return
        self._next = cell
        await self._all_answered()
        self._next = None
        if cell.aborted:
            await self._answer(cell, {"status": "aborted"})
            return
        await self._tell_status("busy", cell.message)
        output = self._output(cell)
        if not cell.content.get("silent"):
            self._count += 1
            await output.tell("execute_input", {"code": cell.content["code"], "execution_count": self._count})
        task = asyncio.ensure_future(self._run_parts(cell, parts, output))
        self._running = (cell, task)
        try:
            await asyncio.wait({task})
            content = _ended_early() if task.cancelled() else task.result()
        finally:
            self._running = None
            await cancel_all(task)
        if task.cancelled():
            await output.fail(*_INTERRUPTED)
        content["execution_count"] = _count_of(content) or self._count
        self._count = max(self._count, content["execution_count"])
        await self._reply(cell, content)
        self._note_failure(cell, content)
        await self._tell_status("idle", cell.message)

    async def _run_parts(self, cell: Request, parts: list[Code | Call], output: Output) -> dict[str, Any]:
        """The content of the reply."""
        content: dict[str, Any] = {"status": "ok", "payload": [], "user_expressions": {}}
        try:
            for number, part in enumerate(parts):
                if isinstance(part, Call):
                    await self.notebook.call(part, output)
                elif self.notebook.connection is None and part.text.strip() in _EXITS:
                    content["payload"] = [{"source": "ask_exit", "keepkernel": False}]
                else:
                    await self.notebook.be_connected(output, part.text)
                    content = await self._run_code(cell, part.text, last=number == len(parts) - 1)
                if content.get("status") != "ok":
                    break
        except LauncherError as error:
            return await self._failed(output, *error_of(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave the cell without an end
            _LOG.exception("a command failed")
            return await self._failed(output, type(error).__name__, str(error))
        return content

    async def _failed(self, output: Output, ename: str, evalue: str) -> dict[str, Any]:
        await output.fail(ename, evalue)
        return {"status": "error", **error_content(ename, evalue)}

    async def _run_code(self, cell: Request, code: str, *, last: bool) -> dict[str, Any]:
        """Python of a cell of ours, at the kernel over there; what it replies."""
        content = {**cell.content, "code": code}
        if not last:
            content["user_expressions"] = {}
        message = messages.make(_EXECUTE, content, session=str(cell.message.header.get("session", "")))
        request = Request("shell", cell.identities, message, content, cell)
        self._pass_on(request)
        await request.done.wait()
        return dict(request.reply or {"status": "ok"})

    async def _all_answered(self) -> None:
        """Until no cell is at the kernel over there, but for those of subshells."""
        while busy := [
            one
            for one in self._waiting.values()
            if one.message.kind == _EXECUTE and not self._known_subshell(one.message)
        ]:
            await busy[0].done.wait()

    def _note_failure(self, cell: Request, content: dict[str, Any]) -> None:
        """Abort the cells that wait behind one that failed, as kernels do."""
        if content.get("status") == "error" and cell.content.get("stop_on_error", True):
            for other in (*self._cells, *([self._next] if self._next is not None else [])):
                other.aborted = True

    # What the kernel over there says.

    async def heard(self, channel: str, message: Message) -> None:
        """Called with each of its messages, in their order."""
        request = self._waiting.get(message.parent_id)
        if not _may_say(channel, message, request):
            _LOG.warning("a message is left out: a kernel does not say that")
        elif channel == "iopub":
            await self._published(message, request)
        elif channel == "stdin":
            if request is not None:
                await self._front.reply("stdin", request.identities, _for(message, request))
        elif request is not None:
            await self._replied(message, request)

    async def _published(self, message: Message, request: Request | None) -> None:
        state = ""
        if message.kind == "status":
            state = str(_content(message).get("execution_state"))
            if state in {"restarting", "dead"} and not message.parent:
                await self.lost("The kernel over there died, perhaps for want of memory. Variables are gone.")
                return
        if message.kind == "iopub_welcome":
            return
        if request is not None and message.kind == "stream" and request.meant:
            await self._front.publish(_for(message, request))
            await self._say_what_was_meant(message, request)
        elif request is None or request.cell is None:
            await self._front.publish(message)
        elif message.kind not in {"status", "execute_input"}:
            await self._front.publish(_for(message, request))
        if request is not None and state == "idle":
            request.idle = True
            self._close_if_answered(request)

    async def _say_what_was_meant(self, message: Message, request: Request) -> None:
        """Below what IPython says of a magic that it does not know: what it was taken for."""
        if _UNKNOWN_MAGIC.search(str(_content(message).get("text", ""))):
            await self._output(request).say(f"Did you mean {request.meant}?", error=True)
            request.meant = ""

    async def _replied(self, message: Message, request: Request) -> None:
        request.reply = _content(message) or dict(_UNREAD)
        if message.kind == "execute_reply":
            if count := _count_of(request.reply):
                self._count = max(count, self._count) if request.cell else count
            payload = request.reply.get("payload", [])
            kept = [one for one in payload if self._may_come_along(one)] if isinstance(payload, list) else []
            if kept != payload or request.reply == _UNREAD:
                request.reply = {**request.reply, "payload": kept}
                message = message.with_content({"execution_count": self._count, **request.reply})
        elif message.kind == "create_subshell_reply":
            self._subshells.add(str(request.reply.get("subshell_id")))
        if request.cell is None:
            await self._front.reply(request.channel, request.identities, message)
            self._note_failure(request, request.reply)
        self._close_if_answered(request)

    def _may_come_along(self, payload: Any) -> bool:
        """Whether a payload does nothing here: one that writes into a cell may write none of our commands.

        Some of them run on this computer, and whoever runs all cells again would run it.
        """
        source, text = (payload.get("source"), payload.get("text")) if isinstance(payload, dict) else (None, None)
        if source == "set_next_input":
            return isinstance(text, str) and not names_command(text, self.notebook.names)
        return isinstance(source, str) and source in _PAYLOADS

    def _close_if_answered(self, request: Request) -> None:
        # Requests on control have their idle as well; old kernels leave it out, and nobody waits for it.
        if request.reply is not None and (request.idle or request.channel == "control"):
            self._waiting.pop(request.message.id, None)
            request.done.set()

    @property
    def waits(self) -> bool:
        """Whether a request is passed on and not answered."""
        return bool(self._waiting)

    async def lost(self, words: str) -> None:
        """What runs over there runs no more: every request that waits is answered with an error."""
        self._subshells.clear()
        for request in list(self._waiting.values()):
            await self._give_up(request, "ProviderLost", words)

    async def held_up(self, words: str) -> None:
        """What runs over there runs on, but is not heard of for a while: tell whoever waits for a cell."""
        for request in [one for one in self._waiting.values() if one.message.kind == _EXECUTE]:
            await self._output(request).say(words, error=True)

    async def settle(self) -> None:
        """The kernel over there is idle: whoever waits for an older answer has lost it on the way."""
        before = time.monotonic() - _OLD_SECONDS
        for request in [one for one in self._waiting.values() if one.passed_on < before]:
            await self._give_up(request, "AnswerLost", "The connection broke, and the answer was lost with it.")

    async def _give_up(self, request: Request, ename: str, evalue: str) -> None:
        """Make up what is missing of an answer."""
        if self._waiting.pop(request.message.id, None) is None:
            return
        if request.reply is None:
            if request.message.kind == _EXECUTE:
                await self._output(request).fail(ename, evalue)
            request.reply = {"status": "error", **error_content(ename, evalue), "execution_count": self._count}
            if request.cell is None:
                await self._reply(request, request.reply)
                self._note_failure(request, request.reply)
        if request.cell is None:
            await self._tell_status("idle", request.message)
        request.done.set()

    def _output(self, request: Request) -> Output:
        return Output(self._front.publish, self._front.session, request.parent, lines=self._lines)

    async def _tell_status(self, state: str, parent: Message | None = None) -> None:
        header = parent.frames[0] if parent is not None else b"{}"
        content = {"execution_state": state}
        await self._front.publish(messages.make("status", content, session=self._front.session, parent=header))


def _may_say(channel: str, message: Message, request: Request | None) -> bool:
    """Whether a kernel says such a thing.

    What it publishes is signed here, and read by whoever listens on this computer: anybody could pass off a request
    among it as one of a client's. It asks for input only where that is allowed.
    """
    if channel == "stdin":
        return message.kind == "input_request" and request is not None and bool(request.content.get("allow_stdin"))
    return not message.kind.endswith("_request")


def _content(message: Message) -> dict[str, Any]:
    """What it says; empty for what is too large, makes no sense, or could not be said again."""
    try:
        content = message.content(most=_LARGEST_REPLY)
        json.dumps(content, allow_nan=False)
    except (ValueError, RecursionError):
        return {}
    return content


def _count_of(reply: dict[str, Any]) -> int:
    """The number of the cell by a reply; 0: it has none that could be."""
    count = reply.get("execution_count")
    return count if isinstance(count, int) and 0 < count < _MOST_CELLS else 0


def _for(message: Message, request: Request) -> Message:
    """An answer to a request of ours as one to the cell that it is a part of."""
    return message if request.cell is None else message.with_parent(request.parent)


def _ended_early() -> dict[str, Any]:
    ename, evalue = _INTERRUPTED
    return {"status": "error", **error_content(ename, evalue)}
