"""What a TCP connection does, a carrier does too: ends, resets, a reader that pauses, silence."""

import asyncio
import contextlib
import os

import pytest

from golem_launcher.agent import tcp_carrier
from golem_launcher.agent.tcp_carrier import reset
from golem_launcher.agent.tcp_carrier_protocol import DATA, WINDOW, Record, encode
from tests.access.carriers import all_of, connect, echo, run, tunnel_into, tunnel_to, until
from tests.access.far_side import SECONDS
from tests.patience import slower

pytestmark = pytest.mark.usefixtures("short_farewells")


def test_a_clean_end_over_there_is_a_clean_end_here():
    async def serve(_, writer):
        writer.write(b"a" * 700_000)
        writer.close()

    async def scene():
        async with tunnel_to(serve) as tunnel:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"a" * 700_000, True)
            writer.close()
        assert tunnel.carriers.counters.failures == 0

    run(scene())


def test_a_reset_over_there_is_a_reset_here():
    async def serve(reader, writer):
        await reader.readexactly(1)
        reset(writer)

    async def scene():
        async with tunnel_to(serve) as tunnel:
            reader, writer = await connect(tunnel)
            writer.write(b"x")
            assert await all_of(reader) == (b"", False)
            writer.close()

    run(scene())


def test_a_reset_here_is_a_reset_over_there():
    ends = asyncio.Queue()

    async def serve(reader, writer):
        writer.write(b"x")
        await ends.put(await all_of(reader))
        writer.close()

    async def scene():
        async with tunnel_to(serve) as tunnel:
            reader, writer = await connect(tunnel)
            await reader.readexactly(1)
            reset(writer)
            assert await asyncio.wait_for(ends.get(), SECONDS * slower()) == (b"", False)

    run(scene())


def test_the_end_of_what_is_said_travels_and_the_answer_comes_back():
    async def serve(reader, writer):
        question = await reader.read(-1)
        writer.write(b"answer to " + question)
        writer.close()

    async def scene():
        async with tunnel_to(serve) as tunnel:
            reader, writer = await connect(tunnel)
            writer.write(b"question")
            writer.write_eof()
            assert await all_of(reader) == (b"answer to question", True)
            writer.close()
        assert tunnel.carriers.counters.failures == 0

    run(scene())


def test_who_leaves_in_the_middle_of_a_download_ends_it():
    ended = asyncio.Event()

    async def serve(_, writer):
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 4096)
                await writer.drain()
        ended.set()
        writer.close()

    async def scene():
        async with tunnel_to(serve) as tunnel:
            reader, writer = await connect(tunnel)
            await reader.readexactly(100_000)
            writer.close()
            await asyncio.wait_for(ended.wait(), SECONDS * slower())

    run(scene())


def test_who_does_not_read_stops_the_far_side_within_the_window():
    pinged, sent, pongs = asyncio.Event(), 0, 0

    async def behave(peer):
        nonlocal sent, pongs
        await peer.join()
        for number in range(WINDOW // 32768):
            peer.send(encode(number + 1, Record(DATA, b"x" * 32768)))
            sent += 32768
        for _ in range(3):
            peer.send(b"are you there?", 0x9)
            while (await peer.message())[0] != 0xA:
                pass
            pongs += 1
        pinged.set()
        for later in range(number + 2, number + 200):  # more than the window, and nobody reads
            peer.send(encode(later, Record(DATA, b"x" * 32768)))
            await peer.writer.drain()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            reader._transport.pause_reading()
            await asyncio.wait_for(pinged.wait(), SECONDS * slower())
            await until(lambda: tunnel.carriers.counters.failures == 1)
            assert tunnel.carriers.counters.received < 200 * 32768
            writer.close()

    run(scene())


def test_an_upload_waits_for_who_takes_it():
    got = 0

    async def behave(peer):
        nonlocal got
        await peer.join()
        while True:
            opcode, body = await peer.message()
            got += len(body) if opcode == 0x2 else 0

    async def scene():
        async with tunnel_into(behave) as tunnel:
            _, writer = await connect(tunnel)
            writer.write(os.urandom(20_000_000))  # none of it is packed
            await until(lambda: got > WINDOW - 70_000)
            assert got < WINDOW + 70_000
            writer.transport.abort()

    run(scene())


def test_an_hour_of_silence_changes_nothing(monkeypatch):
    """The clock is made to run fast: what counts are ticks."""
    monkeypatch.setattr(tcp_carrier, "_TICK_SECONDS", 0.003)

    async def scene():
        async with tunnel_to(echo) as tunnel:
            reader, writer = await connect(tunnel)
            await asyncio.sleep(400 * 0.003)
            writer.write(b"still there?")
            assert await asyncio.wait_for(reader.readexactly(12), SECONDS * slower()) == b"still there?"
            writer.close()

    run(scene())


@pytest.mark.parametrize(
    ("says", "ticks"), [(b"", 9), (b"x" * 10, 3), (b"x" * 4_000_000, 3)], ids=["idle", "busy", "full"]
)
def test_a_far_side_that_is_gone_without_a_word_is_noticed(monkeypatch, says, ticks):
    monkeypatch.setattr(tcp_carrier, "_TICK_SECONDS", tick := 0.05)
    monkeypatch.setattr(tcp_carrier, "_IDLE_TICKS", 0 if not says else 1000)
    left = asyncio.Event()

    async def behave(peer):
        await peer.join()
        peer.writer.transport.pause_reading()
        await left.wait()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            began = asyncio.get_running_loop().time()
            writer.write(says)
            assert await all_of(reader) == (b"", False)
            assert asyncio.get_running_loop().time() - began < (ticks + 2) * tick + 2  # the last word waits a second
            writer.close()
            left.set()

    run(scene())
