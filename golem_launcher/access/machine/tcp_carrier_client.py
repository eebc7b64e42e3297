"""Connections to the ports of one machine, each in a carrier: through Golem's VPN, or by a hub's server.

The far end is :mod:`golem_launcher.agent.tcp_carrier_server`.

yagna joins ``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>`` to that port of the node with that address. Bare, such
a websocket damages what it carries, so the connections travel in the records of
:mod:`golem_launcher.agent.tcp_carrier_protocol`, which the agent takes apart over there; it is told the port that each
is for. yagna pings every 5 s and ends a websocket from which it heard nothing for 10 s; the window of a carrier lets us
read at any time, so that aiohttp always answers.

The websockets are aiohttp's: a framing of our own was measured and saved 2 % of a core at the 3.3 MiB/s that yagna's
VPN carries, which is not worth its 500 lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.access.machine.tcp_quickack import QuickAck
from golem_launcher.access.sockets.in_process_stream import DuplexStream, Pipe
from golem_launcher.agent.tcp_carrier import Carrier
from golem_launcher.agent.tcp_carrier_protocol import (
    NO_KEY,
    OPEN,
    OPENING,
    RESET,
    TAKEN,
    CarrierError,
    Decoder,
    Record,
    encode,
)
from golem_launcher.agent.tcp_carrier_server import first
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all, first_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Self

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.agent.tcp_carrier import Sink, Source

_LOG = logging.getLogger(__name__)

_MOST_CONNECTIONS = 1536
_LARGEST_MESSAGE = 1024 * 1024
_OPENING = 16
"""Connections to one port that are being made at a time; the others wait for their turn. Asked for hundreds at once,
yagna answers none of them and takes gigabytes; one after the other it makes fifty in a second."""
_OPENING_AHEAD = 4
"""The same for the launcher's own questions, which pass those of browsers. Not one: on a line that loses packets, one
connection that takes ten seconds would hold up all others."""
_CONNECT_SECONDS = 20.0
_PAUSES = (0.0, 0.05, 0.15, 0.4)
"""Seconds before each further attempt. yagna takes a socket whose far side has ended out of its table, and closes it
some time later by its place there, in which a new one may be: that one is answered with a 400, or closed before anybody
over there has said a word. When a hundred end together and the computer is busy it goes so for a moment with most, also
three times running: so one waits a little longer each time. Of a closed port it says the same, so there is an end."""
_CLOSE_SECONDS = 1.0
_GONE = "The way to the provider is closed."


@dataclass(frozen=True)
class CarrierAddress:
    """Where a :class:`CarrierClient` finds the far end, as a websocket. Neither key shows in ``repr``."""

    uri: str
    """``ws://…/net-api/v1/net/<network>/tcp/<ip>/<port>``."""
    app_key: str = field(repr=False)
    scheme: str = "Bearer"
    """Of the ``Authorization`` header; a hub's Jupyter server wants ``token``."""
    key: bytes = field(default=NO_KEY, repr=False)
    """What the agent there asks for."""


@dataclass(frozen=True)
class Traffic:
    """What has been carried so far."""

    connections: int = 0
    failures: int = 0
    """Connections that the far side refused or broke."""
    refused: int = 0
    """Connections turned away here: nowhere to go, or too many."""
    reconnects: int = 0
    """Further attempts at connections whose first one came to nothing."""
    sent: int = 0
    received: int = 0
    """Bytes, seen from this side."""


@dataclass
class _Opened:
    """A connection that the agent has joined to its port."""

    websocket: aiohttp.ClientWebSocketResponse[bool]
    incoming: AsyncIterator[bytes]
    decoder: Decoder
    early: list[Record] = field(default_factory=list)
    """What came along with the answer."""


class CarrierClient:
    """Connects to ports of one provider, and nowhere else. ``async with`` it.

    A session has one for each machine (:class:`.vpn_to_machine.MachineVpn`); a command has one for a hub's server.

    ``target`` is asked anew for each connection; while it answers ``None`` (a session that looks for another provider)
    there is no way.
    """

    def __init__(self, target: Callable[[], CarrierAddress | None]) -> None:
        self._target = target
        self._http: aiohttp.ClientSession | None = None
        self._carriers: set[Carrier] = set()
        self._of_users: set[Carrier] = set()
        """Those of them that are not the launcher's own."""
        self._held = False
        """Whether users have to wait."""
        self._dialled: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._turns: dict[int, asyncio.Semaphore] = {}
        """Of those that want a connection to a port."""
        self._turns_ahead: dict[int, asyncio.Semaphore] = {}
        """Of the launcher's own questions, which pass those of browsers."""
        self._making: set[asyncio.Task[_Opened]] = set()
        """The connections that are being made for these."""
        self._given_up: dict[int, list[asyncio.Task[_Opened]]] = {}
        """Those of them for which nobody waits any longer, by port."""
        self._cut = asyncio.Event()
        """Set when the provider changes; there is a new one then."""
        self._ended = Traffic()

    @property
    def counters(self) -> Traffic:
        """Up to now, the connections that still run included."""
        return replace(
            self._ended,
            sent=self._ended.sent + sum(carrier.sent for carrier in self._carriers),
            received=self._ended.received + sum(carrier.received for carrier in self._carriers),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_all(*self._dialled, *self._making)
        if self._http is not None:
            await self._http.close()

    def cut(self) -> None:
        """End all connections: the provider they lead to is gone, or let go of."""
        self._cut.set()
        self._cut = asyncio.Event()
        for carrier in self._carriers:
            carrier.give_up()

    def hold(self) -> None:
        """End the connections of users and refuse new ones, until :meth:`resume`; the launcher's own stay."""
        self._held = True
        for carrier in self._of_users:
            carrier.give_up()

    def resume(self) -> None:
        """Let users connect again."""
        self._held = False

    async def carry(self, port: int, reader: Source, writer: Sink, *, ahead: bool = False) -> None:
        """One connection to ``port`` of the provider, from the first byte to the last; closes neither side's.

        Whoever goes ``ahead`` is not behind those that wait to be connected. Raises ``AccessError`` when there is no
        way, or it broke: the caller then resets its side.
        """
        await self._carry(await self._open_in_turn(port, ahead=ahead), reader, writer, ahead=ahead)

    async def dial(self, port: int, *, ahead: bool = False) -> Stream:
        """A connection to ``port`` of the provider, where somebody listens. Raises ``AccessError``."""
        opened = await self._open_in_turn(port, ahead=ahead)
        outward, inward = Pipe(), Pipe()

        async def carry() -> None:
            try:
                await self._carry(opened, outward, inward, ahead=ahead)
            except AccessError:
                inward.break_off()
            finally:
                outward.break_off()

        task = asyncio.create_task(carry())
        self._dialled.add(task)
        task.add_done_callback(self._dialled.discard)
        return DuplexStream(inward, outward, task.cancel)

    async def _open_in_turn(self, port: int, *, ahead: bool) -> _Opened:
        """As :meth:`_open`, when it is its turn: who waits takes nothing but a place in the queue."""
        if ahead:
            async with self._turns_ahead.setdefault(port, asyncio.Semaphore(_OPENING_AHEAD)):
                return await self._open_ahead(port)
        async with self._turns.setdefault(port, asyncio.Semaphore(_OPENING)):
            if self._held:
                raise AccessError(_GONE, "Wait until the session is ready.")
            return await self._open(port)

    async def _open_ahead(self, port: int) -> _Opened:
        """As :meth:`_open`; who no longer waits leaves the attempt to the next one.

        An attempt can't be taken back: yagna goes on with it for 45 s. Where the way is slow, a new one for each
        question that was given up would leave no room on it for any.
        """
        given_up = self._given_up.setdefault(port, [])
        making = next((one for one in given_up if not one.done()), None)
        if making is None:
            making = asyncio.create_task(self._open(port))
            self._making.add(making)
            making.add_done_callback(self._making.discard)
        else:
            given_up.remove(making)
            making.remove_done_callback(self._drop)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            given_up.append(making)
            making.add_done_callback(self._drop)  # at once if it is done already
            raise

    def _drop(self, making: asyncio.Task[_Opened]) -> None:
        """End a connection that nobody was waiting for any more when it was made."""
        for given_up in self._given_up.values():
            if making in given_up:
                given_up.remove(making)
        if making.cancelled() or making.exception() is not None:
            return
        self._connections -= 1
        closing = asyncio.create_task(_close(making.result().websocket))
        self._dialled.add(closing)
        closing.add_done_callback(self._dialled.discard)

    async def _open(self, port: int) -> _Opened:
        """A new connection, joined to ``port`` over there. Raises ``AccessError``."""
        target = self._target() if self._connections < _MOST_CONNECTIONS else None
        if target is None:
            self._count(refused=1)
            raise AccessError(_GONE, "Wait until the session is ready.")
        self._count(connections=1)
        self._connections += 1
        opened = None
        try:
            opened = await self._unless_cut(self._attempt(target, port))
        except (TimeoutError, OSError, aiohttp.ClientError, CarrierError) as error:
            raise AccessError(_GONE) from error
        finally:
            if opened is None:
                self._connections -= 1
                self._count(failures=1)
        return opened

    async def _unless_cut(self, work: Coroutine[Any, Any, _Opened]) -> _Opened:
        """``work``, but not longer than the provider stays the same. Raises ``asyncio.TimeoutError``."""
        async with first_of(work, self._cut.wait(), _CONNECT_SECONDS) as (opened, _):
            if not opened.done():
                raise TimeoutError
            return opened.result()

    async def _attempt(self, target: CarrierAddress, port: int) -> _Opened:
        """Connect; again when yagna drops the connection before anybody over there has said a word.

        What has stood once is not dropped so: the first word comes by the same queue as the news of the old one's end.
        """
        for pause in _PAUSES:
            with contextlib.suppress(OSError, aiohttp.ClientError, CarrierError):
                return await self._attempt_once(target, port)
            await asyncio.sleep(pause)
            self._count(reconnects=1)
        return await self._attempt_once(target, port)

    def _client(self) -> aiohttp.ClientSession:
        """What connects to the node, made with the first connection."""
        if self._http is None:
            # One websocket per connection: no pool, no cookies, no proxy between us and the user's own node. Not the
            # client of the node's REST API: what is behind this may be a hub's server, and there is no limit of time.
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._http

    async def _attempt_once(self, target: CarrierAddress, port: int) -> _Opened:
        headers = {"Authorization": f"{target.scheme} {target.app_key}"}
        websocket = await self._client().ws_connect(target.uri, headers=headers, max_msg_size=_LARGEST_MESSAGE)
        try:
            await websocket.send_bytes(encode(0, Record(OPEN, OPENING.pack(port, target.key))))
            opened = _Opened(websocket, _payloads(websocket), Decoder())
            answer, *opened.early = await first(opened.incoming, opened.decoder)
            _check(answer)
        except BaseException:
            await _close(websocket)
            raise
        return opened

    async def _carry(self, opened: _Opened, reader: Source, writer: Sink, *, ahead: bool) -> None:
        carrier = Carrier(reader, writer, opened.websocket.send_bytes, decoder=opened.decoder, early=opened.early)
        self._carriers.add(carrier)
        if not ahead:
            self._of_users.add(carrier)
            if self._held:  # it was being made when the others were ended
                carrier.give_up()
        try:
            await carrier.run(opened.incoming)
        except (OSError, aiohttp.ClientError, CarrierError) as error:
            self._count(failures=1)
            _LOG.info("a connection to the provider broke: %s", error)
            why = error if isinstance(error, CarrierError) else silence_reason(error)
            raise AccessError(f"The connection to the provider broke: {why}.") from error
        finally:
            self._connections -= 1
            self._carriers.discard(carrier)
            self._of_users.discard(carrier)
            self._count(sent=carrier.sent, received=carrier.received)
            await _close(opened.websocket)

    def _count(self, **more: int) -> None:
        self._ended = replace(self._ended, **{name: getattr(self._ended, name) + more[name] for name in more})


def _check(answer: Record) -> None:
    if answer.kind == RESET:
        raise AccessError("Nobody listens there.")
    if answer.kind != TAKEN:
        raise CarrierError("it does not say that it is connected")


async def _close(websocket: aiohttp.ClientWebSocketResponse[bool]) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await wait_for(websocket.close(), _CLOSE_SECONDS)


async def _payloads(websocket: aiohttp.ClientWebSocketResponse[bool]) -> AsyncIterator[bytes]:
    acknowledging = QuickAck(websocket.get_extra_info("socket"))
    async for message in websocket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise CarrierError("yagna sent something else than bytes")
        acknowledging.came(len(message.data))
        yield message.data
