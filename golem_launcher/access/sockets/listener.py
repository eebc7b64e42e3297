"""Listeners on an address and port, or on a socket file that only its owner can open.

What only we use ourselves is a socket file: every user of the computer can connect to a port, whatever is asked then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.agent.reserved_port import listen
from golem_launcher.agent.tcp_carrier import reset
from golem_launcher.agent.tcp_carrier_protocol import LARGEST
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    """One connection, to its end."""

_BACKLOG = 512
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}
"""Seconds, and milliseconds for the last: how long what was sent may stay unanswered."""
_REMEDIES = {
    errno.EADDRINUSE: "Another program has the port: choose another, or 0 for a free one.",
    errno.EACCES: "Ports below 1024 are for the administrator: choose another, or 0 for a free one.",
}


class _Serving(ABC):
    """Hands each connection to ``serve``, which is ended with it."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """The number of connections that are open now."""
        return len(self._connections)

    @abstractmethod
    async def start(self) -> None:
        """Begin to listen."""

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        await cancel_all(*self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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


@dataclass(frozen=True)
class BoundPort:
    """A TCP port that is ours. What connects to it waits until a :class:`Listener` takes it."""

    host: str
    socket: socket.socket
    tls: ssl.SSLContext | None = None

    @property
    def number(self) -> int:
        """The port's."""
        return int(self.socket.getsockname()[1])

    @property
    def address(self) -> str:
        """The origin at which browsers reach it: ``http://127.x.y.z:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.number}"


def bind(host: str, port: int, tls: ssl.SSLContext | None = None, *, shared: bool = False) -> BoundPort:
    """Take a ``port`` of ``host``; 0 is any free one. Raises ``AccessError`` if it can't be had.

    ``shared``: it may be handed over, as :func:`golem_launcher.access.sockets.loopback_address.reserved` says.
    """
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return BoundPort(host, listen(address, family=family, backlog=_BACKLOG, shared=shared), tls)
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)  # Python's is a long one
        raise AccessError(
            f"The launcher can't listen on {host}: {reason}.",
            _REMEDIES.get(number, "Name an address of this computer, like 192.168.1.5."),
        ) from None


class Listener(_Serving):
    """Serves those that connect to a port, which is closed with it."""

    def __init__(self, bound: BoundPort, serve: Serve) -> None:
        super().__init__(serve)
        self._bound = bound

    @property
    def address(self) -> str:
        """The origin at which browsers reach it: ``http://127.x.y.z:port``."""
        return self._bound.address

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._bound.number

    async def start(self) -> None:
        """Begin to serve."""
        self._server = await asyncio.start_server(
            self._accept, sock=self._bound.socket, limit=LARGEST, backlog=_BACKLOG, ssl=self._bound.tls
        )

    async def aclose(self) -> None:
        """Close the port and end all connections."""
        await super().aclose()
        self._bound.socket.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        notice_silence(writer.get_extra_info("socket"))
        super()._accept(reader, writer)


class SocketFile(_Serving):
    """Listens at ``path``, a socket file with mode 0600 in a private directory, which it removes when closed.

    ``longest`` is how many bytes of one connection's are read ahead, and so the longest line.
    """

    def __init__(self, path: Path, serve: Serve, *, longest: int = LARGEST) -> None:
        super().__init__(serve)
        self.path = path
        self._longest = longest

    async def start(self) -> None:
        """Begin to listen. Raises ``OSError``."""
        self.path.unlink(missing_ok=True)  # a dead supervisor's
        # Its directory is private already. (A umask would be everybody's: other threads make files meanwhile.)
        self._server = await asyncio.start_unix_server(
            self._accept, str(self.path), limit=self._longest, backlog=_BACKLOG
        )
        self.path.chmod(0o600)

    async def renew(self) -> None:
        """Make the file again if it was removed; open connections go on. Raises ``OSError``."""
        if self._server is not None:
            self._server.close()
        await self.start()

    async def aclose(self) -> None:
        """Stop listening, end all connections and remove the file."""
        await super().aclose()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def notice_silence(connection: socket.socket) -> None:
    """Have the kernel close a connection whose other end vanished, within about two minutes.

    On loopback nothing goes so; other machines (``--listen``) fall asleep or change their network.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        with contextlib.suppress(AttributeError, OSError):  # not every kernel has all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
