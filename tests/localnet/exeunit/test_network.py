"""An activity's end of a VPN, as its requestor's daemon sees it."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network

from golem_launcher.localnet.exeunit.network import VpnLink
from golem_launcher.localnet.exeunit.script import DeployedNetwork
from golem_launcher.localnet.vpn import VpnEndpoint
from golem_launcher.localnet.vpn.packets import Arp, arp_frame, mac_of, parse
from golem_launcher.node.gsb import flex
from golem_launcher.node.gsb.calls import BusCall
from tests.patience import slower

REQUESTOR, PROVIDER, OTHER = ("0x" + digit * 40 for digit in "123")


class Recorder:
    """A switch that keeps what is sent."""

    def __init__(self):
        self.sent = asyncio.Queue()
        self.attached = []
        self.handlers = {}

    async def attach(self, network_id, handler):
        self.attached.append(network_id)
        self.handlers[network_id] = handler

    async def detach(self, network_id):
        self.attached.remove(network_id)

    def send(self, node_id, network_id, frame):
        self.sent.put_nowait((node_id, network_id, frame))


def test_it_introduces_itself_to_its_requestor():
    async def main():
        nodes = {"10.0.0.1": REQUESTOR, "10.0.0.2": PROVIDER, "10.0.0.3": OTHER}
        network = DeployedNetwork("net", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.2"), nodes)
        switch = Recorder()
        link = VpnLink(network, switch, REQUESTOR)
        await link.open(lambda ip, net, send, dial, _: VpnEndpoint(ip, net, send, dial), lambda _: None)
        told = {}
        while REQUESTOR not in told:
            node, network_id, frame = await asyncio.wait_for(switch.sent.get(), 60 * slower())
            assert network_id == "net"
            told[node] = parse(frame)
        question = told[REQUESTOR]
        assert isinstance(question, Arp)
        assert (question.operation, question.wanted) == (1, IPv4Address("10.0.0.1").packed)
        assert question.address == IPv4Address("10.0.0.2").packed
        await link.aclose()
        assert not switch.attached

    asyncio.run(main())


class Interface:
    """An endpoint that keeps what comes, and says what the test wants said."""

    def __init__(self, send):
        self.send = send
        self.received = []

    def receive(self, frame):
        self.received.append(frame)

    def announce(self, _address):
        """It has nobody to tell."""

    async def aclose(self):
        """It has nothing open."""


def question(of, wanted):
    source, target = IPv4Address(of).packed, IPv4Address(wanted).packed
    return arp_frame(1, mac=mac_of(source), address=source, target_mac=bytes(6), target=target)


def datagram(of, to):
    source, target = IPv4Address(of).packed, IPv4Address(to).packed
    ethernet = mac_of(target) + mac_of(source) + b"\x08\x00"
    return ethernet + bytes.fromhex("450000140000400040000000") + source + target


def test_frames_go_to_nodes_that_are_known_and_to_nobody_else():
    """As Golem's exe-unit has it: known by the deployment, by AddNodes, or by a node's own first frame."""

    async def main():
        network = DeployedNetwork(
            "net", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.2"),
            {"10.0.0.1": REQUESTOR, "10.0.0.2": PROVIDER},
        )  # fmt: skip
        switch, made = Recorder(), []
        link = VpnLink(network, switch, REQUESTOR)
        await link.open(lambda _ip, _net, send, _dial, _: made.append(Interface(send)) or made[0], lambda _: None)

        def sent_to(frame):
            made[0].send(frame)
            found = set()
            while not switch.sent.empty():
                found.add(switch.sent.get_nowait()[0])
            return found

        def call(component, data, caller=REQUESTOR):
            switch.handlers["net"](BusCall(caller, f"/public/vpn/net/{component}", data))

        assert sent_to(question("10.0.0.2", "10.0.0.1")) == {REQUESTOR}
        assert sent_to(question("10.0.0.2", "10.0.0.3")) == set()
        assert sent_to(datagram("10.0.0.2", "10.0.0.3")) == set()
        call("VpnControl", flex.dumps({"addNodes": {"network_id": "net", "nodes": {"10.0.0.3": OTHER}}}))
        assert sent_to(question("10.0.0.2", "10.0.0.3")) == {OTHER}
        assert sent_to(datagram("10.0.0.2", "10.0.0.3")) == {OTHER}
        assert sent_to(datagram("10.0.0.2", "10.0.0.255")) == {REQUESTOR, PROVIDER, OTHER}
        call("VpnControl", flex.dumps({"removeNodes": {"network_id": "net", "node_ids": [OTHER]}}))
        assert sent_to(datagram("10.0.0.2", "10.0.0.3")) == set()
        call("raw", datagram("10.0.0.3", "10.0.0.2"), caller=OTHER)
        assert len(made[0].received) == 1
        assert sent_to(datagram("10.0.0.2", "10.0.0.3")) == {OTHER}
        call("raw", datagram("10.0.0.4", "10.0.0.2"), caller=OTHER)  # who is known can't be somebody else too
        assert sent_to(datagram("10.0.0.2", "10.0.0.4")) == set()
        for malformed in (b"", b"\x00" * 20, datagram("10.0.0.2", "10.0.0.3")[:31]):
            assert sent_to(malformed) == set()
        await link.aclose()

    asyncio.run(main())
