"""A node of Golem's VPN in user space: frames in, sockets out. No root, no TAP device.

Every TCP port listens: a SYN leads to ``dial(port)``, whose socket is then joined to the connection; a port that
cannot be dialled is answered with a reset. ARP and pings are answered; other datagrams learn that nobody serves them.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from golem_launcher.waiting import wait_for

from .connection_table import ConnectionTable, NodeCounters, NodeLimits
from .packets import (
    Arp,
    Datagram,
    Echo,
    Malformed,
    Tcp,
    arp_frame,
    echo_reply,
    mac_of,
    parse,
    port_unreachable,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

_QUESTIONS = 3  # before a silent node counts as absent
_QUESTION_SECONDS = 1.0
_NEIGHBOURS = 1024
_ICMP = 1


class VpnEndpoint:
    """The node ``ip`` in ``network``. ``send`` takes each frame that leaves.

    ``dial`` connects to a port of the runtime: it gives a connected socket, which the endpoint then owns, or raises
    OSError. To be made inside a running event loop, and used on it alone.
    """

    def __init__(
        self,
        ip: str | IPv4Address,
        network: str | IPv4Network,
        send: Callable[[bytes], None],
        dial: Callable[[int], Awaitable[socket.socket]],
        *,
        limits: NodeLimits | None = None,
    ) -> None:
        self.counters = NodeCounters()
        self._ip = IPv4Address(ip).packed
        self._mac = mac_of(self._ip)
        net = IPv4Network(network, strict=False)
        self._net, self._mask = int(net.network_address), int(net.netmask)
        self._reserved = {net.network_address.packed, net.broadcast_address.packed, self._ip}
        self._send = send
        self._table = ConnectionTable(
            ip=self._ip,
            mac=self._mac,
            emit=self._emit,
            dial=dial,
            limits=limits or NodeLimits(),
            counters=self.counters,
        )
        self._neighbours: dict[bytes, bytes] = {}
        self._asked: dict[bytes, asyncio.Event] = {}
        self._closed = False

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._table)

    def receive(self, frame: bytes) -> None:
        """Takes one Ethernet frame from the VPN, whatever it holds; never raises, never blocks."""
        counters = self.counters
        counters.frames_in += 1
        if self._closed:
            return
        try:
            packet = parse(frame)
        except Malformed:
            counters.malformed += 1
            return
        if isinstance(packet, Arp):
            self._receive_arp(packet)
        elif packet is None or packet.target != self._ip or not self._is_neighbour(packet.source):
            return
        elif isinstance(packet, Tcp):
            self._table.receive(packet)
        elif isinstance(packet, Echo):
            self._emit(echo_reply(packet, self._mac))
        elif isinstance(packet, Datagram) or packet.protocol != _ICMP:
            self._emit(port_unreachable(packet, self._mac))

    async def connect(self, address: str | IPv4Address, port: int) -> socket.socket:
        """Opens a connection to another node; a non-blocking socket that is joined to it. Raises OSError."""
        target = IPv4Address(address).packed
        return await self._table.connect(await self._resolve(target), target, port)

    def announce(self, address: str | IPv4Address) -> None:
        """Lets a node know the way to us before it asks, and learns the way to it; costs a frame.

        yagna asks for a hardware address only every 3 s: a question that comes before we do, or a lost answer, would
        delay its first connection by as much.
        """
        target = IPv4Address(address).packed
        if not self._closed and self._is_neighbour(target):
            self._emit(arp_frame(1, mac=self._mac, address=self._ip, target_mac=bytes(6), target=target))

    async def aclose(self) -> None:
        """Resets every connection; later frames are ignored."""
        await self._table.aclose()
        self._closed = True

    def _emit(self, frame: bytes) -> None:
        self.counters.frames_out += 1
        self.counters.bytes_out += len(frame)
        self._send(frame)

    def _is_neighbour(self, address: bytes) -> bool:
        return int.from_bytes(address, "big") & self._mask == self._net and address not in self._reserved

    def _receive_arp(self, arp: Arp) -> None:
        if arp.wanted != self._ip or not self._is_neighbour(arp.address):
            return
        if len(self._neighbours) >= _NEIGHBOURS:
            self._neighbours.clear()
        self._neighbours[arp.address] = arp.mac
        asked = self._asked.get(arp.address)
        if asked is not None:
            asked.set()
        if arp.operation == 1:
            answer = arp_frame(2, mac=self._mac, address=self._ip, target_mac=arp.mac, target=arp.address)
            self._emit(answer)

    async def _resolve(self, address: bytes) -> bytes:
        """The hardware address of a node; raises OSError when nobody answers."""
        if not self._is_neighbour(address):
            raise OSError("that address is not in the network")
        answered = self._asked.setdefault(address, asyncio.Event())
        try:
            for _ in range(_QUESTIONS):
                known = self._neighbours.get(address)
                if known is not None:
                    return known
                question = arp_frame(1, mac=self._mac, address=self._ip, target_mac=bytes(6), target=address)
                self._emit(question)
                try:
                    await wait_for(answered.wait(), _QUESTION_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._asked.pop(address, None)
        known = self._neighbours.get(address)
        if known is None:
            raise OSError("no node answers at that address")
        return known
