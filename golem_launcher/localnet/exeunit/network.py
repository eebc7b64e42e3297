"""Connects an activity's VPN endpoints to the bus.

An activity introduces itself to its requestor again and again by ARP. The requestor's daemon asks for a node that it
does not know only once a second, and a connection whose question it held back waits 3 s; it forgets a node after 60 s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher.errors import BusCallError
from golem_launcher.node.gsb.calls import BusCall, Handler, ok
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from ipaddress import IPv4Address, IPv4Network

    from golem_launcher.localnet.exeunit.script import DeployedNetwork

_MAC_PREFIX = b"\xa0\x13"  # then the four bytes of the address
_HEADER = 14
_IPV4, _ARP = b"\x08\x00", b"\x08\x06"
_SOURCE = {_IPV4: slice(26, 30), _ARP: slice(28, 32)}
_TARGET = {_IPV4: slice(30, 34), _ARP: slice(38, 42)}
"""Where a frame has the addresses of who sends it, and of whom it is for."""
_ADDRESS_BYTES = 4
_MOST_NODES = 4096
_INTRODUCTION_SECONDS = 20.0


def mac_of(address: IPv4Address) -> bytes:
    """The hardware address of a node of Golem's VPN."""
    return _MAC_PREFIX + address.packed


class VpnNode(Protocol):
    """A node of a VPN in user space."""

    def receive(self, frame: bytes) -> None:
        """Take a frame; never raises."""

    def announce(self, address: str) -> None:
        """Let another node of the VPN know the way here."""

    async def aclose(self) -> None:
        """End all connections."""


class MakeEndpoint(Protocol):
    """Makes the endpoint of an address; ``send`` takes its frames.

    It is the ``interface`` of the runtime, by the raw socket at its other end, or reaches ports of the runtime by
    ``dial`` where that has none.
    """

    def __call__(
        self,
        ip: IPv4Address,
        network: IPv4Network,
        send: Callable[[bytes], None],
        dial: Callable[[int], Awaitable[socket.socket]],
        interface: socket.socket | None,
    ) -> VpnNode:
        """Make it, inside a running event loop."""


class Switch(Protocol):
    """Carries the frames of one provider."""

    async def attach(self, network_id: str, handler: Handler) -> None:
        """Have the frames and control calls of a VPN come to ``handler``."""

    async def detach(self, network_id: str) -> None:
        """Undo :meth:`attach`."""

    def send(self, node_id: str, network_id: str, frame: bytes) -> None:
        """Send a frame to a node; never waits, a full way loses it."""


class VpnLink:
    """One VPN of one activity."""

    def __init__(self, network: DeployedNetwork, switch: Switch, requestor_id: str) -> None:
        self._network = network
        self._switch = switch
        self._requestor_id = requestor_id
        self._nodes = dict(network.nodes)
        self._nodes.setdefault(self._requestor_address(), requestor_id)
        self._to_all = {"255.255.255.255", str(network.network.broadcast_address)}
        self._endpoint: VpnNode | None = None
        self._introducing: asyncio.Task[None] | None = None

    async def open(
        self,
        make: MakeEndpoint,
        dial: Callable[[int], Awaitable[socket.socket]],
        interface: socket.socket | None = None,
    ) -> None:
        """Make the endpoint and take the network's address on the bus; :class:`BusCallError` when it is taken."""
        self._endpoint = make(self._network.node_ip, self._network.network, self._send, dial, interface)
        try:
            await self._switch.attach(self._network.id, self._call)
        except BaseException:
            await self._endpoint.aclose()
            self._endpoint = None
            raise
        self._introducing = asyncio.create_task(self._introduce(self._endpoint))

    async def aclose(self, *, detach: bool = True) -> None:
        """Leave the network. ``detach=False`` when the bus is gone anyway."""
        if self._introducing is not None:
            await cancel_all(self._introducing)
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            if detach:
                await self._switch.detach(self._network.id)
            await endpoint.aclose()

    async def _introduce(self, endpoint: VpnNode) -> None:
        while True:
            endpoint.announce(self._requestor_address())
            await asyncio.sleep(_INTRODUCTION_SECONDS)

    def _requestor_address(self) -> str:
        """Where the requestor is: as told, else the network's first address, which yapapi takes."""
        first = str(next(self._network.network.hosts()))
        return next((address for address, node in self._nodes.items() if node == self._requestor_id), first)

    def _call(self, call: BusCall) -> bytes:
        if call.component == "VpnControl":
            self._control(call.payload())
        elif self._endpoint is not None:
            frame = bytes(call.data)
            self._learn(call.caller, frame)
            self._endpoint.receive(frame)
        return ok()

    def _learn(self, node: str, frame: bytes) -> None:
        """A node that nobody told of is known by its first frame."""
        if node.startswith("0x") and len(self._nodes) < _MOST_NODES and node not in self._nodes.values():
            source = frame[_SOURCE.get(frame[12:14], slice(0))]
            if len(source) == _ADDRESS_BYTES:
                self._nodes[_dotted(source)] = node

    def _control(self, payload: Any) -> None:
        if not isinstance(payload, dict):
            raise BusCallError("A VPN control that makes no sense.", code=400)
        for kind, fields in payload.items():
            if kind == "addNodes" and len(self._nodes) < _MOST_NODES:
                self._nodes.update(fields["nodes"])
            elif kind == "removeNodes":
                gone = set(fields["node_ids"])
                self._nodes = {address: node for address, node in self._nodes.items() if node not in gone}

    def _send(self, frame: bytes) -> None:
        """By the address that a frame is for, as Golem's exe-units do: what is for nobody known is dropped."""
        target = frame[_TARGET.get(frame[12:14], slice(0))]
        if len(target) != _ADDRESS_BYTES:
            return
        address = _dotted(target)
        if frame[12:14] == _IPV4 and address in self._to_all:
            nodes = set(self._nodes.values())
        else:
            known = self._nodes.get(address)
            nodes = {known} if known is not None else set()
        for node in nodes:
            self._switch.send(node, self._network.id, frame)


def _dotted(address: bytes) -> str:
    return ".".join(map(str, address))
