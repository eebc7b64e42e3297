"""The providers' ends of VPNs, honest ones and bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from ipaddress import IPv4Address, IPv4Network

    from golem_launcher.localnet.exeunit.network import Endpoint, MakeEndpoint
    from golem_launcher.localnet.misbehaviour import Misbehaviour


class _BadEndpoint:
    """A VPN end behind a bad line, both ways."""

    def __init__(
        self,
        ip: IPv4Address,
        network: IPv4Network,
        send: Callable[[bytes], None],
        dial: Callable[[int], Awaitable[socket.socket]],
        rule: LineRule,
    ) -> None:
        self._out = BadLine(send, rule)
        self._endpoint = VpnEndpoint(ip, network, self._out.send, dial)
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
    ) -> Endpoint:
        if rule == honest:
            return VpnEndpoint(ip, network, send, dial)
        return _BadEndpoint(ip, network, send, dial, rule)

    return make
