"""The internet behind a sandbox's eth1: public addresses only.

A program inside must not reach the services of this machine or of the network it stands in. Where a manifest lists
addresses, the names in it are looked up once, when the sandbox starts, and what they were then is all that is reached,
as on Golem.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING

import psutil

from golem_launcher.localnet.runtime import dns
from golem_launcher.localnet.vpn.kernel_interface import InterfaceEndpoint
from golem_launcher.localnet.vpn.nat import Nat
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from golem_launcher.localnet.vpn.packets import Datagram

_log = logging.getLogger(__name__)

Destinations = frozenset[tuple[str, int]] | None
"""The names, with ports, that may be reached and nothing else; ``None`` for everything."""

GATEWAY = IPv4Address("10.42.42.1")
ADDRESS = IPv4Interface("10.42.42.2/24")
"""Of eth1 in Golem's VM, and of what is at its other end."""

_LOOK_UP_SECONDS = 5.0
_MOST_QUESTIONS = 32
# Networks of this machine, of its neighbours, and of nobody (RFC 6890 and successors). Python's own ``is_global`` has
# another meaning in each version.
_CLOSED = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
        ),
    )
)  # fmt: skip


def is_public(address: str) -> bool:
    """Whether an IPv4 address is one of the internet: not loopback, private, link-local, nor of this machine itself."""
    ip = ipaddress.IPv4Address(address)
    if any(ip in network for network in _CLOSED):
        return False
    own = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}
    return str(ip) not in own


class Internet:
    """What this machine has of it, in IPv4, as eth1 of Golem's VM."""

    async def addresses(self, name: str) -> list[str]:
        """The public addresses of a name, none when there are none. Bounded."""
        look_up = asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
        try:
            found = await wait_for(look_up, _LOOK_UP_SECONDS)
        except (TimeoutError, OSError, UnicodeError):
            return []
        return [address for address in dict.fromkeys(str(entry[4][0]) for entry in found) if is_public(address)]

    async def connect(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking socket. Raises ``OSError``, for an address that is not public too."""
        if not is_public(address):
            raise ConnectionRefusedError("not an address of the internet")
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made


class WayOut:
    """The other end of one sandbox's eth1, from its making to :meth:`aclose`."""

    def __init__(self, internet: Internet, destinations: Destinations, eth1: socket.socket) -> None:
        """``eth1`` is the raw socket at the interface's other end, this object's from now on.

        To be made on a running loop.
        """
        self._internet = internet
        self._destinations = destinations
        self._line = InterfaceEndpoint(eth1, GATEWAY, self._receive)
        self._gateway = Nat(GATEWAY, self._line.receive, self._dial, self._datagram)
        self._known: dict[str, list[str]] = {}
        self._looking_up = asyncio.create_task(self._look_up())
        self._answering: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """End all connections. Safe to call twice."""
        await cancel_all(self._looking_up, *self._answering)
        await self._gateway.aclose()
        await self._line.aclose()

    def _receive(self, frame: bytes) -> None:
        self._gateway.receive(frame)

    async def _look_up(self) -> None:
        names = sorted({name for name, _ in self._destinations or ()})
        found = await asyncio.gather(*map(self._internet.addresses, names))
        self._known = dict(zip(names, found, strict=True))
        for name, addresses in self._known.items():
            _log.info("%s may be reached at %s", name, ", ".join(addresses) or "no address: it was not found")

    async def _dial(self, address: str, port: int) -> socket.socket:
        await asyncio.shield(self._looking_up)
        if self._destinations is not None and not any(
            port == wanted and address in self._known[name] for name, wanted in self._destinations
        ):
            raise ConnectionRefusedError("not an address that was asked for")
        return await self._internet.connect(address, port)

    def _datagram(self, datagram: Datagram) -> bool:
        """Answer a question for a name; whether it was one."""
        if datagram.port != dns.PORT or str(IPv4Address(datagram.target)) not in dns.SERVERS:
            return False
        question = dns.read(datagram.payload)
        if question is not None and len(self._answering) < _MOST_QUESTIONS:  # programs ask again
            task = asyncio.create_task(self._answer(datagram, question))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return True

    async def _answer(self, datagram: Datagram, question: dns.Question) -> None:
        await asyncio.shield(self._looking_up)
        addresses = self._known.get(question.name)
        if addresses is None:
            addresses = await self._internet.addresses(question.name)
        self._gateway.reply(datagram, question.answer(addresses))
