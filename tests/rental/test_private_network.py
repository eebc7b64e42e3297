"""Who is told of whom in a private network, when many machines come up side by side."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher.rental import private_network
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.private_network import PrivateNetwork
from golem_launcher.session.supervision import preload

preload.engine()
from yapapi.network import Network  # noqa: E402

OURS = "0xa0"


class Node:
    """yagna's part: each machine that is up hears of each one that is added."""

    def __init__(self):
        self.up = {}
        self.told = 0

    async def create_network(self, *_):
        return "network"

    async def add_address(self, *_):
        pass

    async def add_node(self, _network, name, _ip):
        for known in self.up.values():
            known.add(name)
            self.told += 1

    async def remove_node(self, _network, name):
        self.up.pop(name, None)


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setattr(private_network, "_LULL_SECONDS", 0.01)
    return Node()


def network(node, path):
    journal = Journal.create(path)
    journal.update(network_address="10.1.2.0/24")
    engine = SimpleNamespace(
        make_network=lambda address, identity, ours: Network.create(node, address, identity, owner_ip=ours),
        tell_again=node.add_node,
    )
    return PrivateNetwork(engine, journal, OURS, after=asyncio.sleep(0))


async def comes_up(made, node, name, known):
    """It is told at its start of those that are there by then, and hears of others once it is up."""
    node.up[name] = known
    made.came_up(name)


def test_all_machines_know_all_others_and_few_are_told_twice(node, tmp_path):
    names = [f"0x{number}" for number in range(40)]

    async def scene():
        made = network(node, tmp_path)
        await made.made
        for start in range(0, len(names), 8):
            batch = names[start : start + 8]
            known = {}
            for name in batch:
                await made.add(name)
                known[name] = set(made._network.nodes_dict.values())
            for name in reversed(batch):
                await comes_up(made, node, name, known[name])
            await made._telling
        everybody = {OURS, *names}
        assert all(known >= everybody for known in node.up.values())
        await made.aclose()

    asyncio.run(scene())
    assert node.told < 2.2 * len(names) ** 2 / 2  # each hears of each once, and of those of its batch twice


def test_one_that_left_meanwhile_is_not_told_of(node, tmp_path):
    async def scene():
        made = network(node, tmp_path)
        await made.made
        await made.add("0x1")
        known = set(made._network.nodes_dict.values())
        await made.add("0x2")
        await made.leave_out("0x2")
        await comes_up(made, node, "0x1", known)
        await made._telling
        await made.aclose()
        return node.up["0x1"]

    assert asyncio.run(scene()) == {OURS, "0x1"}
