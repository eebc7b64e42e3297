"""Makes the providers' VPN endpoints, well-behaved and misbehaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint
from golem_launcher.localnet.vpn.kernel_interface import InterfaceEndpoint

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from ipaddress import IPv4Address, IPv4Network

    from golem_launcher.localnet.exeunit.network import MakeEndpoint, VpnNode
    from golem_launcher.localnet.misbehaviour import Misbehaviour


class _BadEndpoint:
    """A VPN end behind a bad line, both ways."""

    def __init__(
        self, make: Callable[[Callable[[bytes], None]], VpnNode], send: Callable[[bytes], None], rule: LineRule
    ) -> None:
        """``make`` makes the end itself, given where its frames go."""
        self._out = BadLine(send, rule)
        self._endpoint = make(self._out.send)
        self._in = BadLine(self._endpoint.receive, rule)

    def receive(self, frame: bytes) -> None:
        """Take a frame; never raises."""
        self._in.send(frame)

    def announce(self, address: str) -> None:
        """Let another node of the VPN know the way here, if the line bears it."""
        self._endpoint.announce(address)

    async def aclose(self) -> None:
        """End all connections; frames under way are lost."""
        await self._endpoint.aclose()
        self._in.close()
        self._out.close()


def endpoint_maker(misbehaviour: Misbehaviour) -> MakeEndpoint:
    """Makes the ends of VPNs for a provider that treats frames as ``misbehaviour`` says."""
    rule = LineRule(
        loss=misbehaviour.drop_frames,
        duplicates=misbehaviour.duplicate_frames,
        delay=misbehaviour.delay_frames,
        jitter=misbehaviour.jitter_frames,
        seed=misbehaviour.seed,
    )
    honest = LineRule(seed=misbehaviour.seed)

    def make(
        ip: IPv4Address,
        network: IPv4Network,
        send: Callable[[bytes], None],
        dial: Callable[[int], Awaitable[socket.socket]],
        interface: socket.socket | None,
    ) -> VpnNode:
        def end(out: Callable[[bytes], None]) -> VpnNode:
            if interface is not None:
                return InterfaceEndpoint(interface, ip, out)
            return VpnEndpoint(ip, network, out, dial)

        return end(send) if rule == honest else _BadEndpoint(end, send, rule)

    return make
