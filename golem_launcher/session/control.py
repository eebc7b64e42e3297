"""The control socket of a supervisor: one JSON object a line, ``{"command": "extend", "arguments": {"hours": "1"}}``.

The answer is one JSON line: ``{"ok": true, …}`` with what the command told, or
``{"ok": false, "what": …, "remedy": …}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_LINE = 4096
_IDLE_SECONDS = 60.0
_MOST_CONNECTIONS = 32


Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes the command's arguments, untyped JSON; a ``LauncherError`` becomes the answer. It bounds its own time."""


class ControlServer:
    """Answers commands on a socket that only its owner can open. What is no command is dropped with its connection."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen. Raises ``OSError``."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()  # left by a supervisor that was killed; ours is the lock, so nobody listens there
        # Its directory is private already. (A umask would be everybody's: other threads make files meanwhile.)
        self._server = await asyncio.start_unix_server(self._accept, path=str(self._path), limit=LONGEST_LINE)
        self._path.chmod(0o600)

    async def renew(self) -> None:
        """Listen again where somebody removed the socket file. Raises ``OSError``."""
        if self._server is not None:
            self._server.close()
        await self.start()

    async def aclose(self) -> None:
        """Stop listening, end every connection and remove the socket."""
        if self._server is not None:
            self._server.close()
        await cancel_all(*self._connections)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) <= _MOST_CONNECTIONS:
                await self._converse(reader, writer)
        except (TimeoutError, OSError, ValueError, asyncio.CancelledError):
            pass  # too long, too slow, gone, or the end of the supervisor
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await wait_for(reader.readline(), _IDLE_SECONDS):
            answer = await self.answer(line)
            if answer is None:
                return
            writer.write(json.dumps(answer, default=str).encode() + b"\n")
            await wait_for(writer.drain(), _IDLE_SECONDS)

    async def answer(self, line: bytes) -> dict[str, Any] | None:
        """The answer to one line, or ``None`` for what is no command."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict):
            return None
        name, arguments = message.get("command"), message.get("arguments", {})
        if not isinstance(name, str) or name not in self._commands or not isinstance(arguments, dict):
            return None
        try:
            return {"ok": True, **await self._commands[name](arguments)}
        except LauncherError as error:
            return {"ok": False, "what": error.what, "remedy": error.remedy}
