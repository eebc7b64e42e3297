"""The endpoint and hostile frames: nothing raises, nothing piles up."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.localnet.vpn import NodeLimits, VpnEndpoint
from golem_launcher.localnet.vpn.packets import SYN, TcpFramer, mac_of, syn_options

OURS, THEIRS = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))


async def refuse(_port):
    raise ConnectionRefusedError


def syn(port):
    framer = TcpFramer(mac=mac_of(THEIRS), target_mac=mac_of(OURS), source=THEIRS, target=OURS, ports=(port, 80))
    return framer.frame(7, 0, SYN, 1000, b"", syn_options(1346, 7))


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, 60), st.integers(0, 255))), max_size=30))
def test_any_frame_is_survived(frames):
    async def scenario():
        node = VpnEndpoint("10.0.0.2", "10.0.0.0/24", lambda _frame: None, refuse)
        for frame in frames:
            if isinstance(frame, tuple):
                broken = bytearray(syn(1000))
                broken[frame[0] % len(broken)] = frame[1]
                node.receive(bytes(broken))
            else:
                node.receive(frame)
        await node.aclose()
        assert node.connections == 0

    asyncio.run(scenario())


def test_a_flood_of_syns_is_bounded():
    async def scenario():
        async def never(_port):
            await asyncio.Event().wait()

        limits = NodeLimits(connections=50, opening=20)
        node = VpnEndpoint("10.0.0.2", "10.0.0.0/24", lambda _frame: None, never, limits=limits)
        for port in range(1, 5000):
            node.receive(syn(port))
        assert node.connections == 20
        await node.aclose()
        assert node.connections == 0

    asyncio.run(scenario())
