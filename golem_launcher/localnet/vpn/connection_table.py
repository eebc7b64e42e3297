"""The TCP connections of one node: lookup, pending work, timers.

Work is done in batches: segments only mark their connection, and one callback per turn of the event loop moves the
bytes of all marked connections. One timer serves all of them; with no connection, nothing runs.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from golem_launcher.waiting import cancel_all, wait_for

from . import sequence
from .connection import Connection
from .packets import ACK, FIN, RST, SYN, Tcp, TcpFramer
from .stream_bridge import StreamBridge
from .tcp_types import State, TcpSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stream_bridge import Key

_EPHEMERAL = range(49152, 65536)
_STANDS = (State.OPEN, State.TIME_WAIT, State.CLOSED)


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What one node holds at most."""

    tcp: TcpSettings = field(default_factory=TcpSettings)
    connections: int = 2048
    opening: int = 128  # of those, how many may not have finished their handshake; more SYNs are not answered
    dial_seconds: float = 8.0


@dataclass(slots=True)
class NodeCounters:
    """What a node has seen since it started."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_out: int = 0
    malformed: int = 0
    opened: int = 0
    refused: int = 0
    failed: int = 0
    retransmissions: int = 0


class ConnectionTable:
    """All connections of the node with address ``ip`` and hardware address ``mac``."""

    def __init__(
        self,
        *,
        ip: bytes,
        mac: bytes,
        emit: Callable[[bytes], None],
        dial: Callable[[int], Awaitable[socket.socket]],
        limits: NodeLimits,
        counters: NodeCounters,
    ) -> None:
        self._ip = ip
        self._mac = mac
        self._emit = emit
        self._dial = dial
        self._limits = limits
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._bridges: dict[Key, StreamBridge] = {}
        self._leaving: set[StreamBridge] = set()  # over, but for bytes that the program has not taken yet
        self._opening = 0
        self._marked: list[StreamBridge] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._bridges) + len(self._leaving)

    def receive(self, packet: Tcp) -> None:
        """A segment for this node."""
        segment = packet.segment
        key = (packet.source, segment.source_port, segment.port)
        bridge = self._bridges.get(key)
        if segment.flags & (SYN | ACK | RST) == SYN:
            if bridge is not None and bridge.connection.state is State.TIME_WAIT:
                bridge.flush(inf)  # its ports are wanted again: its time is up
                self._forget(bridge)
                bridge = None
            if bridge is None:
                self._knock(key, packet)
                return
        if bridge is not None:
            bridge.connection.receive(segment, self._loop.time())
            if not bridge.marked:
                self._mark(bridge)
        elif not segment.flags & RST:
            self._refuse(packet)

    async def connect(self, mac: bytes, target: bytes, port: int) -> socket.socket:
        """Opens a connection to another node; a non-blocking socket that is joined to it. Raises OSError."""
        key = (target, port, secrets.choice(_EPHEMERAL))
        if key in self._bridges or len(self) >= self._limits.connections:
            raise ConnectionRefusedError("no free connection")
        connection = Connection.active(secrets.randbits(32), self._loop.time(), self._limits.tcp)
        bridge = self._add(key, connection, self._framer(mac, target, (key[2], port)))
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        bridge.attach(ours)
        self._mark(bridge)
        try:
            await bridge.opened
        except BaseException:
            theirs.close()
            bridge.abandon("nobody waits for it")
            self._mark(bridge)
            raise
        return theirs

    async def aclose(self) -> None:
        """Resets every connection and waits for what was being dialled."""
        await cancel_all(*self._tasks)
        for bridge in [*self._bridges.values(), *self._leaving]:
            bridge.abandon("the node leaves the network")
            self._mark(bridge)
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, packet: Tcp) -> None:
        """Answers a segment of no connection with a reset."""
        self._counters.refused += 1
        segment = packet.segment
        framer = self._framer(packet.mac, packet.source, (segment.port, segment.source_port))
        if segment.flags & ACK:
            self._emit(framer.frame(segment.ack, 0, RST, 0))
        else:
            length = len(segment.payload) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
            self._emit(framer.frame(0, sequence.number(segment.seq, length), RST | ACK, 0))

    def _framer(self, mac: bytes, target: bytes, ports: tuple[int, int]) -> TcpFramer:
        return TcpFramer(mac=self._mac, target_mac=mac, source=self._ip, target=target, ports=ports)

    def _knock(self, key: Key, packet: Tcp) -> None:
        """A SYN of a new connection."""
        if len(self) >= self._limits.connections:
            self._refuse(packet)
            return
        if self._opening >= self._limits.opening:
            return  # an honest peer asks again
        segment = packet.segment
        connection = Connection.passive(segment, secrets.randbits(32), self._loop.time(), self._limits.tcp)
        ports = (segment.port, segment.source_port)
        bridge = self._add(key, connection, self._framer(packet.mac, packet.source, ports))
        task = self._loop.create_task(self._answer(bridge, segment.port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _add(self, key: Key, connection: Connection, framer: TcpFramer) -> StreamBridge:
        bridge = StreamBridge(key, connection, framer, self._loop, self._mark)
        self._bridges[key] = bridge
        self._opening += 1
        return bridge

    async def _answer(self, bridge: StreamBridge, port: int) -> None:
        """Dials the port, then accepts or refuses the connection that asks for it."""
        try:
            sock = await wait_for(self._dial(port), self._limits.dial_seconds)
        except (TimeoutError, OSError):
            bridge.connection.abort("nobody answers at that port")
        else:
            if bridge.done:
                sock.close()
                return
            bridge.attach(sock)
            bridge.connection.accept(self._loop.time())
        self._mark(bridge)

    def _mark(self, bridge: StreamBridge) -> None:
        """Has ``bridge`` flushed in the next turn of the loop, with all others that are marked until then."""
        if not bridge.marked:
            bridge.marked = True
            if not self._marked:
                self._loop.call_soon(self._flush)
            self._marked.append(bridge)

    def _flush(self) -> None:
        marked, self._marked = self._marked, []
        now = self._loop.time()
        for bridge in marked:
            bridge.marked = False
            connection = bridge.connection
            before = connection.sender.retransmissions
            for frame in bridge.flush(now):
                self._emit(frame)
            self._counters.retransmissions += connection.sender.retransmissions - before
            if bridge.opening and connection.state in _STANDS:
                self._opened(bridge)
            if connection.state is State.CLOSED:
                self._forget(bridge)
            else:
                self._arm(connection.deadline)

    def _opened(self, bridge: StreamBridge) -> None:
        bridge.opening = False
        self._opening -= 1
        failure = bridge.connection.failure
        if not failure:
            self._counters.opened += 1
        if not bridge.opened.done():
            if failure:
                bridge.opened.set_exception(ConnectionRefusedError(failure))
                bridge.opened.exception()  # a passive connection has nobody who asks
            else:
                bridge.opened.set_result(None)

    def _forget(self, bridge: StreamBridge) -> None:
        """A connection is over; its bridge stays until the program took the last bytes."""
        if self._bridges.get(bridge.key) is bridge:
            del self._bridges[bridge.key]
            self._counters.failed += bool(bridge.connection.failure)
        if bridge.done:
            self._leaving.discard(bridge)
        else:
            self._leaving.add(bridge)

    def _arm(self, deadline: float) -> None:
        """Has the timer run at ``deadline`` or before; it may run in vain, which is cheaper than moving it often."""
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        for bridge in self._bridges.values():
            deadline = bridge.connection.deadline
            if deadline <= now:
                self._mark(bridge)
            else:
                self._arm(deadline)
