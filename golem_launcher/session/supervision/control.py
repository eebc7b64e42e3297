"""The control socket of a supervisor: one JSON object a line, ``{"command": "extend", "arguments": {"hours": "1"}}``.

The answer is one JSON line: ``{"ok": true, …}`` with what the command told, or
``{"ok": false, "what": …, "remedy": …}``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from golem_launcher.access.sockets.listener import SocketFile
from golem_launcher.errors import LauncherError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_LINE = 4096
_IDLE_SECONDS = 60.0
_MOST_CONNECTIONS = 32


Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes the command's arguments, untyped JSON; a ``LauncherError`` becomes the answer. It bounds its own time."""


class ControlServer(SocketFile):
    """Answers commands on a socket that only its owner can open. What is no command is dropped with its connection."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        super().__init__(path, self._converse, longest=LONGEST_LINE)
        self._commands = commands

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connections > _MOST_CONNECTIONS:
            return
        with contextlib.suppress(ValueError):  # a line that is too long
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
