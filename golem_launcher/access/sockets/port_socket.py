"""The port socket of a session: a file that only its owner can open, and behind it every port of its machines.

Who connects says the numbers of a machine and a port, with a space between and a newline after them, and is then joined
to that port of that machine (at port 65535 of the first, the supervisor itself listens).
Commands, ssh and a hub's server come in here: the supervisor alone holds the node's key, and knows where the session
runs at the moment.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.access.sockets.listener import SocketFile
from golem_launcher.access.ssh_proxy_command import is_closed
from golem_launcher.agent.tcp_carrier import reset
from golem_launcher.agent.tcp_carrier_protocol import LARGEST
from golem_launcher.errors import AccessError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.agent.tcp_carrier import Sink, Source

_ADDRESS = re.compile(rb"([1-9][0-9]{0,3}) (0|[1-9][0-9]{0,4})\n")
_LARGEST_PORT = 65535
_SECONDS = 10.0


def port_socket_path(directory: Path) -> Path:
    """The path of the socket by which a session, given by its directory, takes connections of commands."""
    return paths.socket_path(directory, "ports.sock")


class PortSocket(SocketFile):
    """Listens at ``path`` in the supervisor, and has ``carry`` join each connection to a port of a machine."""

    def __init__(self, path: Path, carry: Callable[[int, int, Source, Sink], Awaitable[None]]) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                line = await wait_for(reader.readline(), _SECONDS)
            except (TimeoutError, ValueError):
                raise AccessError("It did not say a machine and a port.") from None
            address = _ADDRESS.fullmatch(line)
            if address is None or int(address[2]) > _LARGEST_PORT:
                raise AccessError("That is no machine and no port.")
            await carry(int(address[1]), int(address[2]), reader, writer)

        super().__init__(path, serve)


async def open_port(path: Path, port: int, machine: int = 1) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect a command to ``port`` of a machine. Raises ``AccessError`` if the session is not running."""
    try:
        reader, writer = await wait_for(asyncio.open_unix_connection(str(path), limit=LARGEST), _SECONDS)
    except (TimeoutError, OSError):
        raise AccessError("The session is not there any more.", "See `golem-launcher list`.") from None
    writer.write(b"%d %d\n" % (machine, port))
    return reader, writer


async def dial(path: Path, port: int, machine: int = 1) -> Stream:
    """Connect as :func:`open_port` does; the connection is a :class:`Stream`."""
    reader, writer = await open_port(path, port, machine)
    return DuplexStream(reader, writer, lambda: reset(writer))


async def carry(path: Path, port: int, reader: Source, writer: Sink, machine: int = 1) -> None:
    """Join ``reader`` and ``writer`` to ``port`` of a machine until both directions have ended.

    Raises ``AccessError`` when the session is not there, ``OSError`` when the connection broke.
    """
    remote_reader, remote_writer = await open_port(path, port, machine)
    connection = remote_writer.get_extra_info("socket")
    outward = asyncio.ensure_future(_copy(reader, remote_writer))
    inward = asyncio.ensure_future(_copy(remote_reader, writer, lambda: is_closed(connection) and not outward.done()))
    try:
        await asyncio.gather(outward, inward)
        remote_writer.close()
    except BaseException:
        reset(remote_writer)
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
