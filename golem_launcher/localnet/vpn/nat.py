"""A user-space router: connections to addresses beyond a network become sockets of this machine.

For it each address beyond is a node, with a table of connections of its own. Datagrams go to whoever takes them.
"""

from __future__ import annotations

import functools
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from .connection_table import ConnectionTable, NodeCounters, NodeLimits
from .packets import (
    Arp,
    Datagram,
    Echo,
    Malformed,
    Tcp,
    arp_frame,
    datagram_reply,
    echo_reply,
    mac_of,
    parse,
    port_unreachable,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

_MOST_ADDRESSES = 256
_MOST_CONNECTIONS = 256
_LIMITS = NodeLimits(connections=_MOST_CONNECTIONS)
_QUESTION, _ANSWER = 1, 2


class Nat:
    """The user-space router at ``ip``. To be made inside a running event loop, and used on it alone."""

    def __init__(
        self,
        ip: IPv4Address,
        send: Callable[[bytes], None],
        dial: Callable[[str, int], Awaitable[socket.socket]],
        datagram: Callable[[Datagram], bool],
    ) -> None:
        """``send`` takes each frame that leaves; ``dial`` connects to a port of an address beyond, or raises OSError.

        ``datagram`` takes one that is for an address beyond, and says whether anybody serves it.
        """
        self.counters = NodeCounters()
        self._ip = ip.packed
        self._mac = mac_of(self._ip)
        self._send = send
        self._dial = dial
        self._datagram = datagram
        self._tables: dict[bytes, ConnectionTable] = {}
        self._closed = False

    def receive(self, frame: bytes) -> None:
        """Takes one Ethernet frame, whatever it holds; never raises, never blocks."""
        if self._closed:
            return
        try:
            packet = parse(frame)
        except Malformed:
            self.counters.malformed += 1
            return
        if isinstance(packet, Arp):
            if packet.operation == _QUESTION and packet.wanted == self._ip:
                self._emit(
                    arp_frame(_ANSWER, mac=self._mac, address=self._ip, target_mac=packet.mac, target=packet.address)
                )
        elif isinstance(packet, Tcp):
            table = self._table(packet.target)
            if table is not None:
                table.receive(packet)
        elif isinstance(packet, Echo):
            if packet.target == self._ip:
                self._emit(echo_reply(packet, self._mac))
        elif isinstance(packet, Datagram) and not self._datagram(packet):
            self._emit(port_unreachable(packet, self._mac))

    def reply(self, datagram: Datagram, payload: bytes) -> None:
        """Answers a datagram, in the name of whom it was for."""
        if not self._closed:
            self._emit(datagram_reply(datagram, self._mac, payload))

    async def aclose(self) -> None:
        """Resets every connection; later frames are ignored."""
        tables, self._tables = self._tables, {}
        for table in tables.values():
            await table.aclose()
        self._closed = True

    def _table(self, target: bytes) -> ConnectionTable | None:
        table = self._tables.get(target)
        if table is None:
            if len(self._tables) >= _MOST_ADDRESSES:
                self._tables = {address: used for address, used in self._tables.items() if len(used)}
            if len(self._tables) < _MOST_ADDRESSES:
                dial = functools.partial(self._connect, str(IPv4Address(target)))
                table = self._tables[target] = ConnectionTable(
                    ip=target, mac=self._mac, emit=self._emit, dial=dial, limits=_LIMITS, counters=self.counters
                )
        return table

    async def _connect(self, address: str, port: int) -> socket.socket:
        if sum(map(len, self._tables.values())) > _MOST_CONNECTIONS:
            raise ConnectionRefusedError("too many connections")
        return await self._dial(address, port)

    def _emit(self, frame: bytes) -> None:
        self.counters.frames_out += 1
        self._send(frame)
