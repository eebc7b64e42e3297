"""Runs an assistant's code in a session, by a kernel of its Jupyter; what that says is bounded and cleaned."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import AccessError
from golem_launcher.kernel import messages
from golem_launcher.kernel.remote_kernel import KernelGone, LabClient, RemoteKernel, start_kernel
from golem_launcher.untrusted_text import clean_text
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.session.on_disk.directory import SessionDirectory

_CONNECT_SECONDS = 60.0
_MOST_CHARACTERS = 20_000
_LARGEST_CONTENT = 4 * 1024 * 1024


class RemotePython:
    """A kernel in one session. ``aclose`` once; the session goes on."""

    def __init__(self, directory: SessionDirectory) -> None:
        self._lab = LabClient(directory)
        self._kernel: RemoteKernel | None = None
        self._running: asyncio.Task[None] | None = None
        self._asked = ""
        self._said: list[str] = []
        self._length = 0
        self._status = ""
        self._over = asyncio.Event()
        self._turn = asyncio.Lock()

    async def run(self, code: str, seconds: float) -> dict[str, Any]:
        """Run ``code`` for ``seconds`` at most, then it is interrupted: ``status`` and ``output``. One at a time.

        ``status``: ``ok``, ``error``, ``interrupted``. Raises ``AccessError`` when the kernel is not reached, or lost.
        """
        async with self._turn:
            kernel, running = await self._reached()
            self._said, self._length, self._status = [], 0, "ok"
            self._over.clear()
            content = {
                "code": code,
                "silent": False,
                "store_history": True,
                "allow_stdin": False,
            }
            message = messages.make("execute_request", content, session="mcp")
            self._asked = message.id
            kernel.send("shell", message)
            try:
                await self._answered(running, seconds)
            except TimeoutError:
                self._status = "interrupted"
                await kernel.interrupt()
                with contextlib.suppress(TimeoutError):
                    await self._answered(running, _CONNECT_SECONDS)
                self._status = "interrupted"
            return {"status": self._status, "output": self._output()}

    async def aclose(self) -> None:
        """Give the kernel up."""
        if self._running is not None:
            await cancel_all(self._running)
        if self._kernel is not None:
            await self._kernel.shut_down(1.0)
        await self._lab.aclose()

    async def _reached(self) -> tuple[RemoteKernel, asyncio.Task[None]]:
        """The kernel, and what keeps the connection to it."""
        if self._kernel is None or self._running is None or self._running.done():
            self._kernel = RemoteKernel(self._lab, await start_kernel(self._lab), heard=self._heard)
            self._running = asyncio.create_task(self._kernel.run())
        kernel, running = self._kernel, self._running
        try:
            await wait_for(kernel.connected.wait(), _CONNECT_SECONDS)
        except TimeoutError:
            raise AccessError("The kernel over there can't be reached.", "Try again in a moment.") from None
        return kernel, running

    async def _answered(self, running: asyncio.Task[None], seconds: float) -> None:
        """Raises ``TimeoutError``, and ``AccessError`` when the kernel is lost: with its provider, say."""
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({over, running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return
            if running.done():
                with contextlib.suppress(KernelGone):
                    running.result()
                raise AccessError(
                    "The kernel over there is gone, with all that was in its memory.", "Run what is needed again."
                )
            raise TimeoutError
        finally:
            await cancel_all(over)

    async def _heard(self, channel: str, message: JupyterMessage) -> None:
        if message.parent_id != self._asked or channel not in {"iopub", "shell"}:
            return
        try:
            content = message.content(most=_LARGEST_CONTENT)
        except ValueError:
            self._add("(something too large to show)\n")
            return
        if message.kind == "stream":
            self._add(str(content.get("text", "")))
        elif message.kind in {"execute_result", "display_data"}:
            data = content.get("data")
            self._add(f"{data.get('text/plain', '') if isinstance(data, dict) else ''}\n")
        elif message.kind == "error":
            self._status = "error"
            trace = content.get("traceback")
            self._add("\n".join(map(str, trace if isinstance(trace, list) else [])) + "\n")
        elif message.kind == "status" and content.get("execution_state") == "idle":
            self._over.set()

    def _add(self, text: str) -> None:
        if self._length <= _MOST_CHARACTERS:
            self._said.append(text)
        self._length += len(text)

    def _output(self) -> str:
        text = clean_text("".join(self._said))
        return text if self._length <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\n… {self._length:,} characters"
