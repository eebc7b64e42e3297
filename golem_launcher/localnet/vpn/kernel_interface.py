"""A node of Golem's VPN backed by a kernel's network interface: frames pass unchanged, as in Golem's VM."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from .packets import arp_frame, mac_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_LARGEST_FRAME = 65536
_AT_A_TIME = 64
_QUESTION = 1
_TYPES = (b"\x08\x00", b"\x08\x06")
"""IPv4 and ARP; a kernel also asks for routers of IPv6, which Golem's VPN does not have."""


class InterfaceEndpoint:
    """The node ``ip``, whose interface's other end is the raw socket ``outside``. To be used on one event loop."""

    def __init__(self, outside: socket.socket, ip: str | IPv4Address, send: Callable[[bytes], None]) -> None:
        """``send`` takes each frame that leaves. The socket is the endpoint's from now on."""
        self._outside = outside
        self._ip = IPv4Address(ip).packed
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(outside, self._forward)

    def receive(self, frame: bytes) -> None:
        """Take a frame; never raises. One that finds no room is lost, as on any line."""
        try:
            self._outside.send(frame)
        except OSError:
            return

    def announce(self, address: str) -> None:
        """Let another node of the VPN know the way here, by asking it for its own."""
        mac, target = mac_of(self._ip), IPv4Address(address).packed
        self._send(arp_frame(_QUESTION, mac=mac, address=self._ip, target_mac=b"\xff" * 6, target=target))

    async def aclose(self) -> None:
        """Leave the interface without its other end."""
        self._loop.remove_reader(self._outside)
        self._outside.close()

    def _forward(self) -> None:
        for _ in range(_AT_A_TIME):
            try:
                frame = self._outside.recv(_LARGEST_FRAME)
            except BlockingIOError:
                return
            except OSError:  # the sandbox's network is gone
                self._loop.remove_reader(self._outside)
                return
            if frame[12:14] in _TYPES:
                self._send(frame)
