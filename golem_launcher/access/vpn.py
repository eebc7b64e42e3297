"""Connections to a provider's ports through Golem's VPN.

yagna joins ``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>`` to that port of the node with that address. Bare, such
a websocket damages what it carries, so the connections travel in the records of :mod:`golem_launcher.agent.records`,
which the agent takes apart over there; it is told the port that each is for. yagna pings every 5 s and ends a
websocket from which it heard nothing for 10 s; the carrier's window lets us read at any time, so that aiohttp always
answers.

The websockets are aiohttp's: a framing of our own was measured and saved 2 % of a core at the 3.5 MB/s that yagna's
VPN carries, which is not worth its 500 lines.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher.access.streams import Joint, Pipe
from golem_launcher.agent.carrier import Carrier
from golem_launcher.agent.records import CarrierError
from golem_launcher.errors import AccessError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from typing_extensions import Self

    from golem_launcher.access.streams import Stream
    from golem_launcher.agent.carrier import Sink, Source

_MOST_CONNECTIONS = 1536
_LARGEST_MESSAGE = 1024 * 1024
_CONNECT_SECONDS = 20.0
_ATTEMPTS = 3
_CLOSE_SECONDS = 1.0
_GONE = "The way to the provider is closed."


@dataclass(frozen=True)
class VpnPort:
    """Where the far end of carriers listens, as a websocket. The key never shows in ``repr``."""

    uri: str
    """``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>``."""
    app_key: str = field(repr=False)
    scheme: str = "Bearer"
    """Of the ``Authorization`` header; a hub's Jupyter server wants ``token``."""


@dataclass(frozen=True)
class Counters:
    """What has been carried so far."""

    connections: int = 0
    failures: int = 0
    """Connections that the far side refused or broke."""
    refused: int = 0
    """Connections turned away here: nowhere to go, or too many."""
    sent: int = 0
    received: int = 0
    """Bytes, seen from this side."""


class Vpn:
    """Connects to ports of one provider, and nowhere else. ``async with`` it.

    ``target`` is asked anew for each connection; while it answers ``None`` (a session that looks for another provider)
    there is no way.
    """

    def __init__(self, target: Callable[[], VpnPort | None]) -> None:
        self._target = target
        self._http: aiohttp.ClientSession | None = None
        self._carriers: set[Carrier] = set()
        self._dialled: set[asyncio.Task[None]] = set()
        self._open = 0
        self._cuts = 0
        self._ended = Counters()

    @property
    def counters(self) -> Counters:
        """Up to now, the connections that still run included."""
        return replace(
            self._ended,
            sent=self._ended.sent + sum(carrier.sent for carrier in self._carriers),
            received=self._ended.received + sum(carrier.received for carrier in self._carriers),
        )

    async def __aenter__(self) -> Self:
        # One websocket per connection: no pool, no cookies, no proxy between us and the user's own node.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._dialled:
            task.cancel()
        await asyncio.gather(*self._dialled, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def cut(self) -> None:
        """End all connections: the provider they lead to is gone, or let go of."""
        self._cuts += 1
        for carrier in self._carriers:
            carrier.give_up()

    async def carry(self, port: int, reader: Source, writer: Sink) -> None:
        """One connection to ``port`` of the provider, from the first byte to the last; closes neither side's.

        Raises ``AccessError`` when there is no way, or it broke: the caller then resets its side.
        """
        target = self._target() if self._open < _MOST_CONNECTIONS else None
        if target is None:
            self._count(refused=1)
            raise AccessError(_GONE, "Wait until the session is ready.")
        self._open += 1
        try:
            await self._carry(target, port, reader, writer)
        finally:
            self._open -= 1

    async def dial(self, port: int) -> Stream:
        """A connection to ``port`` of the provider. That nobody listens there shows at the first read."""
        outward, inward = Pipe(), Pipe()

        async def carry() -> None:
            try:
                await self.carry(port, outward, inward)
            except AccessError:
                inward.break_off()
            finally:
                outward.break_off()

        task = asyncio.create_task(carry())
        self._dialled.add(task)
        task.add_done_callback(self._dialled.discard)
        return Joint(inward, outward, task.cancel)

    async def _carry(self, target: VpnPort, port: int, reader: Source, writer: Sink) -> None:
        self._count(connections=1)
        cuts = self._cuts
        try:
            websocket = await wait_for(self._connect(target), _CONNECT_SECONDS)
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            self._count(failures=1)
            raise AccessError(_GONE) from error
        carrier = Carrier(reader, writer, websocket.send_bytes, port=port)
        self._carriers.add(carrier)
        if self._cuts != cuts:
            carrier.give_up()
        try:
            await carrier.run(_payloads(websocket))
        except (OSError, aiohttp.ClientError, CarrierError) as error:
            self._count(failures=1)
            raise AccessError(f"The connection to the provider broke: {error}.") from error
        finally:
            self._carriers.discard(carrier)
            self._count(sent=carrier.sent, received=carrier.received)
            with contextlib.suppress(asyncio.TimeoutError):
                await wait_for(websocket.close(), _CLOSE_SECONDS)

    def _count(self, **more: int) -> None:
        self._ended = replace(self._ended, **{name: getattr(self._ended, name) + more[name] for name in more})

    async def _connect(self, target: VpnPort) -> aiohttp.ClientWebSocketResponse[bool]:
        assert self._http is not None, "enter it first"
        headers = {"Authorization": f"{target.scheme} {target.app_key}"}
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
