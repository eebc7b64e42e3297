"""TCP from a loopback address into Golem's VPN: each connection travels in a websocket of yagna's own.

yagna joins ``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>`` to that port of the node with that address. It pings
every 5 s and ends a websocket from which it has heard nothing for 10 s, so a connection whose local end reads slowly
has to make itself heard all the same.

This is no proxy: it reads no HTTP and has one target. A page that points a name of its own at our address (DNS
rebinding) is refused by the Lab, which answers only to a loopback ``Host``, as ours is. The websockets are aiohttp's:
a framing of our own was measured and saved 2 % of a core at the 3.5 MB/s that yagna's VPN carries, which is not worth
its 500 lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_FRAME = 64 * 1024
"""yagna's websocket takes no larger frames."""

_MOST_CONNECTIONS = 1024
_LARGEST_MESSAGE = 4 * 1024 * 1024
_CONNECT_SECONDS = 20.0
_CLOSE_SECONDS = 1.0
_HEARD_SECONDS = 4.0
_SILENCE_AFTER_END_SECONDS = 10.0
_BACKLOG = 512

# A yagna on another machine may vanish without a word: the kernel asks after 30 s of silence, and gives up after 60.
_KEEPALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class VpnPort:
    """A TCP port of a node in a VPN, as yagna serves it. The key never shows in ``repr``."""

    uri: str
    """``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>``."""
    app_key: str = field(repr=False)


@dataclass
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
        self.counters = Counters()
        self._host = host
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._http: aiohttp.ClientSession | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The origin of what is at the other end: ``http://127.x.y.z:port``."""
        assert self._server is not None, "start the tunnel first"
        return f"http://{self._host}:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen. Raises ``AccessError`` when the address or the port can't be had."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=LARGEST_FRAME, backlog=_BACKLOG
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
            self.counters.refused += 1
            _reset(writer)
            return
        self.counters.connections += 1
        task = asyncio.create_task(self._carry(target, reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, target: VpnPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the first byte to the last."""
        try:
            websocket = await self._open(target)
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError):
            self.counters.failures += 1
            _reset(writer)
            return
        except asyncio.CancelledError:
            _reset(writer)
            raise
        try:
            await _Joint(reader, writer, websocket, self.counters).carry()
        except (OSError, aiohttp.ClientError):
            self.counters.failures += 1
            _reset(writer)
        finally:
            writer.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(websocket.close(), _CLOSE_SECONDS)

    async def _open(self, target: VpnPort) -> aiohttp.ClientWebSocketResponse[bool]:
        return await asyncio.wait_for(self._connect(target), _CONNECT_SECONDS)

    async def _connect(self, target: VpnPort) -> aiohttp.ClientWebSocketResponse[bool]:
        assert self._http is not None
        headers = {"Authorization": f"Bearer {target.app_key}"}
        websocket = await self._http.ws_connect(target.uri, headers=headers, max_msg_size=_LARGEST_MESSAGE)
        _keep_alive(websocket.get_extra_info("socket"))
        return websocket


class _Joint:
    """A local connection and a websocket, joined."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        websocket: aiohttp.ClientWebSocketResponse[bool],
        counters: Counters,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._websocket = websocket
        self._counters = counters
        self._heard = 0

    async def carry(self) -> None:
        """Carry bytes both ways until either side ends; raises what broke it."""
        out = asyncio.create_task(self._outward())
        back = asyncio.create_task(self._inward())
        try:
            await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
            if not back.done() and out.exception() is None:
                await self._last_words(back)
        finally:
            out.cancel()
            back.cancel()
            ends = await asyncio.gather(out, back, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _last_words(self, back: asyncio.Task[None]) -> None:
        """The local end has said all. A websocket can't be half closed, so wait as long as the far side speaks."""
        heard = -1
        while not back.done() and heard != self._heard:
            heard = self._heard
            await asyncio.wait({back}, timeout=_SILENCE_AFTER_END_SECONDS)

    async def _outward(self) -> None:
        while data := await self._reader.read(LARGEST_FRAME):
            await self._websocket.send_bytes(data)
            self._counters.sent += len(data)

    async def _inward(self) -> None:
        async for message in self._websocket:
            if self._writer.transport.is_closing():
                return  # the local program left in the middle; nobody wants the rest
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise aiohttp.ClientPayloadError("yagna sent something else than bytes")
            self._writer.write(message.data)
            self._heard += len(message.data)
            self._counters.received += len(message.data)
            if self._writer.transport.get_write_buffer_size() > LARGEST_FRAME:
                await self._taken()

    async def _taken(self) -> None:
        """Wait until the local end has taken what is buffered; meanwhile let yagna hear that we live."""
        draining = asyncio.ensure_future(self._writer.drain())
        try:
            while not (await asyncio.wait({draining}, timeout=_HEARD_SECONDS))[0]:
                await self._websocket.pong()
            draining.result()
        finally:
            draining.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and say that it went wrong, so that nobody takes a part for the whole."""
    with contextlib.suppress(OSError):  # it is gone already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()


def _keep_alive(connection: socket.socket | None) -> None:
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)  # not every system has all of them
        if option is not None and connection is not None:
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            with contextlib.suppress(OSError):
                connection.setsockopt(level, option, value)
