"""A tunnel: a listener on a loopback address whose connections lead to one port of the provider.

The bytes are not looked at; what reads HTTP is :mod:`golem_launcher.access.link`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

from golem_launcher.agent.carrier import reset
from golem_launcher.agent.records import LARGEST
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from golem_launcher.agent.carrier import Sink, Source

_BACKLOG = 512
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}
"""Seconds, and milliseconds for the last: how long what was sent may stay unanswered."""
_REMEDIES = {
    errno.EADDRINUSE: "Another program has the port: choose another, or 0 for a free one.",
    errno.EACCES: "Ports below 1024 are for the administrator: choose another, or 0 for a free one.",
}


class Listener:
    """Listens on ``host`` and ``port`` and hands each connection to ``serve``, which is ended with the listener."""

    def __init__(
        self,
        host: str,
        port: int,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._serve = serve
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The origin of what is at the other end: ``http://127.x.y.z:port``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "start it first"
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises ``AccessError`` when the address or the port can't be had."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=LARGEST, backlog=_BACKLOG, ssl=self._tls
            )
        except OSError as error:
            number = error.errno or 0
            reason = os.strerror(number) if number > 0 else error.strerror or str(error)  # asyncio's is a long one
            raise AccessError(
                f"The launcher can't listen on {self._host}: {reason}.",
                _REMEDIES.get(number, "Name an address of this computer, like 192.168.1.5."),
            ) from None

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        await cancel_all(*self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        notice_silence(writer.get_extra_info("socket"))
        task = asyncio.create_task(self._run(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (AccessError, OSError, asyncio.CancelledError):
            reset(writer)  # so that nobody takes a part for the whole
        finally:
            writer.close()


def notice_silence(connection: socket.socket) -> None:
    """Have the kernel end a connection whose other end is gone without a word, within about two minutes.

    On loopback nothing goes so; other machines (``--listen``) fall asleep or change their network.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        with contextlib.suppress(AttributeError, OSError):  # not every kernel has all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Tunnel(Listener):
    """A listener on ``host`` that leads to ``remote_port`` of the provider, and nowhere else."""

    def __init__(
        self, host: str, port: int, remote_port: int, carry: Callable[[int, Source, Sink], Awaitable[None]]
    ) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await carry(remote_port, reader, writer)

        super().__init__(host, port, serve)
