"""An activity's end of a VPN, as its requestor's daemon sees it."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network

from golem_launcher.localnet.exeunit.network import VpnLink
from golem_launcher.localnet.exeunit.script import Network
from golem_launcher.localnet.vpn import VpnEndpoint
from golem_launcher.localnet.vpn.packets import Arp, parse

REQUESTOR, PROVIDER, OTHER = ("0x" + digit * 40 for digit in "123")


class Recorder:
    """A switch that keeps what is sent."""

    def __init__(self):
        self.sent = asyncio.Queue()
        self.attached = []

    async def attach(self, network_id, _handler):
        self.attached.append(network_id)

    async def detach(self, network_id):
        self.attached.remove(network_id)

    def send(self, node_id, network_id, frame):
        self.sent.put_nowait((node_id, network_id, frame))


def test_it_introduces_itself_to_its_requestor():
    async def main():
        nodes = {"10.0.0.1": REQUESTOR, "10.0.0.2": PROVIDER, "10.0.0.3": OTHER}
        network = Network("net", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.2"), nodes)
        switch = Recorder()
        link = VpnLink(network, switch, REQUESTOR)
        await link.open(lambda ip, net, send, dial, _: VpnEndpoint(ip, net, send, dial), lambda _: None)
        told = {}
        while REQUESTOR not in told:  # the question goes to all
            node, network_id, frame = await asyncio.wait_for(switch.sent.get(), 5)
            assert network_id == "net"
            told[node] = parse(frame)
        question = told[REQUESTOR]
        assert isinstance(question, Arp)
        assert (question.operation, question.wanted) == (1, IPv4Address("10.0.0.1").packed)
        assert question.address == IPv4Address("10.0.0.2").packed
        await link.aclose()
        assert not switch.attached

    asyncio.run(main())
