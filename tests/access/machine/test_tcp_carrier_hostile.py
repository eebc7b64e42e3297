"""A far side that breaks every rule of a carrier ends its own connection, and holds up no other."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress
from golem_launcher.agent.tcp_carrier_protocol import DATA, END, TAKEN, Record, encode
from tests.access.carriers import KEY, all_of, connect, echo, opened, run, tunnel_into, until
from tests.access.far_side import IN_TURN, SECONDS, far_side, program, stopwatch
from tests.examples import examples
from tests.patience import slower

pytestmark = pytest.mark.usefixtures("short_farewells")


@pytest.mark.parametrize(
    "evil",
    [
        pytest.param((b"text", {"opcode": 0x1}), id="text"),
        pytest.param((b"x", {"opcode": 0x3}), id="unknown opcode"),
        pytest.param((b"x", {"first": 0xF2}), id="reserved bits"),
        pytest.param((b"x", {"length": 1 << 62}), id="giant frame"),
        pytest.param((b"x" * 126, {"opcode": 0x9}), id="long ping"),
        pytest.param((b"x", {"opcode": 0x0}), id="continuation of nothing"),
        pytest.param((encode(1 << 20, Record(DATA, b"")), {}), id="record out of order"),
        pytest.param((encode(2, Record(9, b"")), {}), id="unknown record"),
        pytest.param((encode(2, Record(TAKEN, b"\xff" * 8)), {}), id="account of more than was sent"),
    ],
)
def test_who_breaks_the_protocol_is_cut_off(evil):
    body, lies = evil

    async def behave(peer):
        await peer.join()
        peer.send(encode(1, Record(DATA, b"good")))
        peer.send(body, **lies)
        await peer.reader.read()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            found, clean = await all_of(reader)
            assert b"good".startswith(found)
            assert not clean
            writer.close()
            assert tunnel.carriers.counters.failures == 1

    run(scene())


def test_nothing_comes_after_the_end():
    async def behave(peer):
        await peer.join()
        peer.send(b"".join(encode(number, Record(kind, b"x")) for number, kind in enumerate((DATA, END, DATA), 1)))
        await peer.reader.read()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            assert (await all_of(reader))[0] == b"x"
            writer.close()
            await until(lambda: tunnel.carriers.counters.failures == 1)

    run(scene())


def test_a_flood_of_pings_is_answered_and_harmless():
    async def behave(peer):
        await peer.join()
        for _ in range(2000):
            peer.send(b"ping", 0x9)
        for _ in range(2000):
            assert await peer.message() == (0xA, b"ping")
        peer.send(encode(1, Record(DATA, b"done")))
        await peer.reader.read()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            assert await asyncio.wait_for(reader.readexactly(4), SECONDS * slower()) == b"done"
            writer.close()

    run(scene())


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=300), max_size=6), st.sampled_from(["raw", "frames", "no upgrade", "connected"]))
def test_garbage_never_harms_the_tunnel(pieces, how):
    async def behave(peer):
        if how == "connected":
            await peer.join()
        elif how != "no upgrade":
            await peer.upgrade()
        for piece in pieces:
            if how == "frames":
                peer.send(piece)
            else:
                peer.writer.write(piece)
            await peer.writer.drain()

    async def scene():
        async with far_side(behave) as bad, program(echo) as good:
            targets = [bad, good]
            async with opened(lambda: CarrierAddress(targets.pop(0), KEY)) as tunnel:
                reader, writer = await connect(tunnel)
                await all_of(reader)
                writer.close()
                reader, writer = await connect(tunnel)
                writer.write(b"still there?")
                assert await asyncio.wait_for(reader.readexactly(12), SECONDS * slower()) == b"still there?"
                writer.close()

    run(scene())


def test_a_hundred_thousand_signs_of_life_do_not_stop_the_others():
    async def flood(peer):
        await peer.join()
        for first in range(1, 100_000, 4000):
            peer.send(b"".join(encode(number, Record(TAKEN, bytes(8))) for number in range(first, first + 4000)))
            await peer.writer.drain()
            await asyncio.sleep(0)  # the far side is no part of what is measured
        peer.send(encode(first + 4000, Record(END, b"")))
        await peer.reader.read(1 << 20)

    async def scene():
        async with tunnel_into(flood) as tunnel, stopwatch() as longest:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"", True)
            writer.close()
        assert longest[0] < IN_TURN

    run(scene())
