"""The tunnel of a session: a port on a loopback address of its own that is a port inside the provider.

Whatever connects here is carried through yagna's private network (VPN) to one port of one provider, byte by byte. It
is no proxy: it reads no HTTP and has one fixed target. A page of another origin that points a name of its own at our
address (DNS rebinding) is refused by Jupyter, which the agent starts with ``allow_remote_access`` off: it answers
only to a ``Host`` that is a loopback address, as ours is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.access.connection import Connection, Meter
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_SECONDS = 4.0
"""yagna ends a websocket that was silent for 10 s."""
LARGEST_NUMBER = 256
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class VpnPort:
    """A TCP port inside a provider, as yagna offers it."""

    uri: str
    """``ws://host:port/net-api/v1/net/<network>/tcp/<ip>/<port>``"""
    app_key: str = field(repr=False)


@dataclass(frozen=True)
class Counters:
    """What went through a tunnel since its start."""

    bytes_up: int
    bytes_down: int
    connections: int
    """Accepted so far."""
    open: int
    refused: int
    """For want of a target, or for too many at once."""
    errors: int
    """That did not end in good order."""
    last_error: str


class Tunnel:
    """Listens on ``listen_host:listen_port`` (0: a free port, kept while it lives) and leads to ``target()``.

    ``target`` is asked once for each connection; ``None`` (the provider is lost, or not there yet) ends it at once.
    """

    def __init__(
        self,
        listen_host: str,
        listen_port: int,
        target: Callable[[], VpnPort | None],
        *,
        largest_number: int = LARGEST_NUMBER,
    ) -> None:
        self._host = listen_host
        self._port = listen_port
        self._target = target
        self._largest_number = largest_number
        self._meter = Meter()
        self._accepted = 0
        self._refused = 0
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises ``AccessError`` when the address can't be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, self._host, self._port)
        except OSError as error:
            raise AccessError(
                f"The tunnel can't listen on {self._host} port {self._port} ({error.strerror or error}).",
                "See which program uses that port, or start the session again.",
            ) from None
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        """The origin of the Lab on this side, like ``http://127.130.1.2:40123``."""
        return f"http://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """The port, known once started."""
        return self._port

    @property
    def counters(self) -> Counters:
        """A snapshot."""
        return Counters(
            bytes_up=self._meter.bytes_up,
            bytes_down=self._meter.bytes_down,
            connections=self._accepted,
            open=len(self._connections),
            refused=self._refused,
            errors=self._meter.errors,
            last_error=self._meter.last_error,
        )

    def disconnect(self) -> None:
        """End all connections; new ones are taken. For a target that is lost."""
        for connection in tuple(self._connections):
            connection.abort()

    async def aclose(self) -> None:
        """Stop listening, end all connections. Bounded."""
        if self._server is not None:
            self._server.close()
        connections = tuple(self._connections)
        self.disconnect()
        await asyncio.gather(*(connection.gone() for connection in connections))
        if self._connections:
            self._empty.clear()
            await asyncio.wait_for(self._empty.wait(), _CLOSE_SECONDS)
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def _accept(self) -> asyncio.BaseProtocol:
        self._accepted += 1
        target = self._target()
        if target is None or not self._room():
            self._refused += 1
            return _Refusal()
        connection = Connection(target, self._meter, self._gone)
        self._connections.add(connection)
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        return connection.local

    def _room(self) -> bool:
        if len(self._connections) < self._largest_number:
            return True
        lingering = [one for one in self._connections if one.lingers_since is not None]
        if not lingering:
            return False
        min(lingering, key=lambda one: one.lingers_since or 0.0).abort()
        return True

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._connections):
            connection.tick(now)
        self._ticker = loop.call_later(TICK_SECONDS, self._tick) if self._connections else None


class _Refusal(asyncio.Protocol):
    """Ends a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
