"""The door of a session: a socket file that only its owner can open, and behind it every port of the provider.

Who connects says a port number and a newline, and is then joined to that port. Commands, ssh and a hub's server come
in here: the supervisor alone holds the node's key, and knows where the session runs at the moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.access.connect import is_closed
from golem_launcher.access.streams import Joint
from golem_launcher.agent.carrier import reset
from golem_launcher.agent.records import LARGEST
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from typing_extensions import Self

    from golem_launcher.access.streams import Stream
    from golem_launcher.agent.carrier import Sink, Source

_PORT = re.compile(rb"(0|[1-9][0-9]{0,4})\n")
_LARGEST_PORT = 65535
_SECONDS = 10.0
_BACKLOG = 512


def door_path(directory: Path) -> Path:
    """Where the door of the session with this directory is."""
    return paths.socket_path(directory, "door.sock")


class Door:
    """The door at ``path``; ``carry`` joins a connection to a port. ``async with`` it."""

    def __init__(self, path: Path, carry: Callable[[int, Source, Sink], Awaitable[None]]) -> None:
        self._path = path
        self._carry = carry
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._path.unlink(missing_ok=True)  # a dead supervisor's
        # Its directory is private already. (A umask would be everybody's: other threads make files meanwhile.)
        self._server = await asyncio.start_unix_server(self._accept, str(self._path), limit=LARGEST, backlog=_BACKLOG)
        self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await cancel_all(*self._connections)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await wait_for(reader.readline(), _SECONDS)
            if _PORT.fullmatch(line) and int(line) <= _LARGEST_PORT:
                await self._carry(int(line), reader, writer)
        except (AccessError, OSError, ValueError, asyncio.TimeoutError, asyncio.CancelledError):
            reset(writer)
        finally:
            writer.close()


async def open_door(path: Path, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to ``port`` of the session's provider. Raises ``AccessError`` when the session is not there."""
    try:
        reader, writer = await wait_for(asyncio.open_unix_connection(str(path), limit=LARGEST), _SECONDS)
    except (OSError, asyncio.TimeoutError):
        raise AccessError("The session is not there any more.", "See `golem-launcher list`.") from None
    writer.write(b"%d\n" % port)
    return reader, writer


async def dial(path: Path, port: int) -> Stream:
    """As :func:`open_door`, as a stream."""
    reader, writer = await open_door(path, port)
    return Joint(reader, writer, lambda: reset(writer))


async def carry(path: Path, port: int, reader: Source, writer: Sink) -> None:
    """Join ``reader`` and ``writer`` to ``port`` until both directions have ended.

    Raises ``AccessError`` when the session is not there, ``OSError`` when the connection broke.
    """
    far_reader, far_writer = await open_door(path, port)
    connection = far_writer.get_extra_info("socket")
    outward = asyncio.ensure_future(_copy(reader, far_writer))
    inward = asyncio.ensure_future(_copy(far_reader, writer, lambda: is_closed(connection) and not outward.done()))
    try:
        await asyncio.gather(outward, inward)
        far_writer.close()
    except BaseException:
        reset(far_writer)
        raise
    finally:
        for part in (outward, inward):
            part.cancel()
        await asyncio.gather(outward, inward, return_exceptions=True)


async def _copy(reader: Source, writer: Sink, broke: Callable[[], bool] = lambda: False) -> None:
    while data := await reader.read(LARGEST):
        writer.write(data)
        await writer.drain()
    if broke():
        raise ConnectionResetError("the connection broke")
    if writer.can_write_eof():
        writer.write_eof()
