"""The tunnel of a session: a listener on a loopback address that leads, through Golem's VPN, to the agent's Lab.

yagna joins ``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>`` to that port of the node with that address. Bare, such
a websocket damages what it carries, so the connections travel in the records of :mod:`golem_launcher.agent.carrier`,
which the agent takes apart over there. yagna pings every 5 s and ends a websocket from which it heard nothing for
10 s; the carrier's window lets us read at any time, so that aiohttp always answers.

This is no proxy: it reads no HTTP and has one target. A page that points a name of its own at our address (DNS
rebinding) is refused by the Lab, which answers only to a ``Host`` that is a loopback address. The websockets are
aiohttp's: a framing of our own was measured and saved 2 % of a core at the 3.5 MB/s that yagna's VPN carries, which is
not worth its 500 lines.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher.agent.carrier import LARGEST, Carrier, CarrierError, reset
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_MOST_CONNECTIONS = 256
_LARGEST_MESSAGE = 1024 * 1024
_CONNECT_SECONDS = 20.0
_ATTEMPTS = 3
_CLOSE_SECONDS = 1.0
_BACKLOG = 512


@dataclass(frozen=True)
class VpnPort:
    """A TCP port of a node in a VPN, as yagna serves it. The key never shows in ``repr``."""

    uri: str
    """``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>``."""
    app_key: str = field(repr=False)


@dataclass(frozen=True)
class Counters:
    """What a tunnel has carried so far."""

    connections: int = 0
    failures: int = 0
    """Connections that the far side refused or broke."""
    refused: int = 0
    """Connections turned away here: nowhere to go, or too many."""
    sent: int = 0
    received: int = 0
    """Bytes, seen from this side."""


class Tunnel:
    """A listener on ``host`` that leads to one port in a VPN, and nowhere else.

    ``target`` is asked anew for each connection; while it answers ``None`` (a session that looks for another provider)
    connections are closed at once. The bytes are not looked at.
    """

    def __init__(self, host: str, port: int, target: Callable[[], VpnPort | None]) -> None:
        self._host = host
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._http: aiohttp.ClientSession | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._carriers: set[Carrier] = set()
        self._ended = Counters()

    @property
    def address(self) -> str:
        """The origin of what is at the other end: ``http://127.x.y.z:port``."""
        assert self._server is not None, "start the tunnel first"
        return f"http://{self._host}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def counters(self) -> Counters:
        """Up to now, the connections that still run included."""
        return replace(
            self._ended,
            sent=self._ended.sent + sum(carrier.sent for carrier in self._carriers),
            received=self._ended.received + sum(carrier.received for carrier in self._carriers),
        )

    async def start(self) -> None:
        """Listen. Raises ``AccessError`` when the address or the port can't be had."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=LARGEST, backlog=_BACKLOG
            )
        except OSError as error:
            raise AccessError(
                f"The launcher can't listen on {self._host}: {error.strerror or error}.",
                "Another program may have the port; start the session again.",
            ) from None
        # One websocket per connection: no pool, no cookies, no proxy between us and the user's own node.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = self._target() if len(self._connections) < _MOST_CONNECTIONS else None
        if target is None:
            self._count(refused=1)
            reset(writer)
            return
        self._count(connections=1)
        task = asyncio.create_task(self._carry(target, reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, target: VpnPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the first byte to the last."""
        try:
            websocket = await self._open(target)
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError):
            self._count(failures=1)
            reset(writer)
            return
        except asyncio.CancelledError:
            reset(writer)
            raise
        carrier = Carrier(reader, writer, websocket.send_bytes)
        self._carriers.add(carrier)
        try:
            await carrier.run(_payloads(websocket))
        except (OSError, aiohttp.ClientError, CarrierError):
            self._count(failures=1)
            reset(writer)
        finally:
            self._carriers.discard(carrier)
            self._count(sent=carrier.sent, received=carrier.received)
            writer.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(websocket.close(), _CLOSE_SECONDS)

    def _count(self, **more: int) -> None:
        self._ended = replace(self._ended, **{name: getattr(self._ended, name) + more[name] for name in more})

    async def _open(self, target: VpnPort) -> aiohttp.ClientWebSocketResponse[bool]:
        return await asyncio.wait_for(self._connect(target), _CONNECT_SECONDS)

    async def _connect(self, target: VpnPort) -> aiohttp.ClientWebSocketResponse[bool]:
        assert self._http is not None
        headers = {"Authorization": f"Bearer {target.app_key}"}
        for _ in range(_ATTEMPTS - 1):
            # yagna may close a new socket in the place of an old one: it then says 400 "Socket closed" at once, about
            # once in 600 connections. It says so of a closed port, too: no more than a few attempts.
            try:
                return await self._http.ws_connect(target.uri, headers=headers, max_msg_size=_LARGEST_MESSAGE)
            except aiohttp.WSServerHandshakeError as error:  # noqa: PERF203 - a try each is what is wanted
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
        return await self._http.ws_connect(target.uri, headers=headers, max_msg_size=_LARGEST_MESSAGE)


async def _payloads(websocket: aiohttp.ClientWebSocketResponse[bool]) -> AsyncIterator[bytes]:
    async for message in websocket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise CarrierError("yagna sent something else than bytes")
        yield message.data
