"""Carriers as they are, to a websocket server that does as told. The real yagna: test_tcp_carrier_by_yagna.py."""

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.access.machine import tcp_carrier_client as module
from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.access.sockets import listener as module_of_listeners
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.agent import tcp_carrier
from golem_launcher.agent.tcp_carrier import reset
from golem_launcher.agent.tcp_carrier_protocol import DATA, END, OPEN, RESET, TAKEN, WINDOW, Record, encode
from golem_launcher.errors import AccessError
from tests.access.far_side import IN_TURN, SECONDS, far_side, program, stopwatch, tunnel_at
from tests.examples import examples
from tests.patience import slower

KEY = "0123456789abcdef"
_SO_ATTACH_FILTER = 26  # Linux's, which Python does not name


@pytest.fixture(scope="module", autouse=True)
def _short_farewells():
    """The far sides here do not say goodbye, and are not waited for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CLOSE_SECONDS", 0.1)
        patch.setattr(tcp_carrier, "_RESET_SECONDS", 0.1)
        yield


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60 * slower()))


@contextlib.asynccontextmanager
async def tunnel_to(serve):
    """A tunnel to a program in the provider."""
    async with program(serve) as uri, opened(lambda: CarrierAddress(uri, KEY)) as tunnel:
        yield tunnel


@contextlib.asynccontextmanager
async def tunnel_into(behave):
    """A tunnel to a websocket that does as it likes."""
    async with far_side(behave) as uri, opened(lambda: CarrierAddress(uri, KEY)) as tunnel:
        yield tunnel


@contextlib.asynccontextmanager
async def opened(target):
    async with CarrierClient(target) as carriers:
        tunnel = tunnel_at(loopback_address("test"), 0, 8888, carriers.carry)
        await tunnel.start()
        tunnel.carriers = carriers
        try:
            yield tunnel
        finally:
            await tunnel.aclose()


async def connect(tunnel):
    host, port = tunnel.address.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def all_of(reader):
    """What comes until the end, and whether that was a clean one."""
    found = b""
    try:
        while piece := await asyncio.wait_for(reader.read(1 << 16), SECONDS * slower()):
            found += piece
    except ConnectionResetError:
        return found, False
    return found, True


async def until(condition):
    async def wait():
        while not condition():  # noqa: ASYNC110 - counters and sockets have no events
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), SECONDS * slower())


async def echo(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def test_bytes_travel_both_ways():
    async def scene():
        async with tunnel_to(echo) as tunnel:
            reader, writer = await connect(tunnel)
            data = bytes(range(256)) * 8000
            writer.write(data)
            assert await asyncio.wait_for(reader.readexactly(len(data)), SECONDS * slower()) == data
            assert tunnel.carriers.counters.sent == tunnel.carriers.counters.received == len(data)
            assert tunnel.carriers.counters.connections == 1
            writer.close()

    run(scene())


def test_the_key_goes_to_yagna_and_is_never_shown():
    heads = []

    async def behave(peer):
        await peer.upgrade()
        heads.append(peer.head)
        peer.send(b"", 0x8)

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            await all_of(reader)
            writer.close()

    run(scene())
    assert heads[0][b"authorization"] == b"bearer " + KEY.encode()
    assert KEY not in repr(CarrierAddress("ws://127.0.0.1/", KEY))


def test_with_no_target_connections_end_at_once_and_come_back_with_it():
    target = None

    async def scene():
        nonlocal target
        async with program(echo) as uri, opened(lambda: target) as tunnel:
            reader, writer = await connect(tunnel)
            assert (await all_of(reader))[0] == b""
            writer.close()
            assert tunnel.carriers.counters.refused == 1
            address, target = tunnel.address, CarrierAddress(uri, KEY)
            reader, writer = await connect(tunnel)
            writer.write(b"x")
            assert await asyncio.wait_for(reader.readexactly(1), SECONDS * slower()) == b"x"
            writer.close()
            assert tunnel.address == address

    run(scene())


def test_no_more_connections_than_the_limit(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CONNECTIONS", 2)

    async def scene():
        async with tunnel_to(echo) as tunnel:
            first, second = await connect(tunnel), await connect(tunnel)
            await until(lambda: tunnel.carriers.counters.connections == 2)
            third = await connect(tunnel)
            assert (await all_of(third[0]))[0] == b""
            for _, writer in (first, second, third):
                writer.close()
            assert tunnel.carriers.counters.refused == 1

    run(scene())


@pytest.mark.parametrize("status", [b"404 Not Found", b"504 Gateway Timeout", b"401 Unauthorized", b"200 OK"])
def test_a_refused_upgrade_resets_the_connection(status):
    async def behave(peer):
        await peer.upgrade(status)

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"", False)
            writer.close()
            assert tunnel.carriers.counters.failures == 1

    run(scene())


def test_a_socket_that_yagna_closes_by_mistake_is_asked_for_again():
    """A burst of its mistakes, as when a hundred old ones end together on a busy computer."""
    dropped = [b"400 Bad Request", b"101 Switching Protocols", b"400 Bad Request", b"400 Bad Request"]
    heard = []

    async def behave(peer):
        if not dropped:
            await peer.join()
            peer.send(encode(1, Record(DATA, b"fifth time lucky")) + encode(2, Record(END, b"")))
            await peer.reader.read()
            return
        status = dropped.pop(0)
        await peer.upgrade(status)
        if status.startswith(b"101"):
            heard.append(await peer.message())
            peer.writer.transport.abort()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            writer.write(b"once and no more")
            assert await asyncio.wait_for(reader.readexactly(16), SECONDS * slower()) == b"fifth time lucky"
            writer.close()
            counters = tunnel.carriers.counters
            assert (counters.connections, counters.reconnects, counters.failures) == (1, 4, 0)
        assert heard == [(0x2, encode(0, Record(OPEN, (8888).to_bytes(2, "big") + bytes(16))))]

    run(scene())


def test_what_yagna_refuses_is_not_asked_for_ever():
    asked = 0

    async def behave(peer):
        nonlocal asked
        asked += 1
        await peer.upgrade(b"400 Bad Request")

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"", False)
            writer.close()
            assert tunnel.carriers.counters.failures == 1
        assert asked == 5

    run(scene())


def test_a_closed_port_is_asked_for_once():
    asked = 0

    async def behave(peer):
        nonlocal asked
        asked += 1
        await peer.upgrade()
        await peer.message()
        peer.send(encode(0, Record(RESET, b"")))
        await peer.reader.read()

    async def scene():
        async with tunnel_into(behave) as tunnel:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"", False)
            writer.close()
            with pytest.raises(AccessError, match="Nobody listens"):
                await tunnel.carriers.dial(1)
        assert asked == 2

    run(scene())


def test_nobody_at_the_far_side_resets_the_connection():
    async def scene():
        async with opened(lambda: CarrierAddress("ws://127.0.0.1:9/x", KEY)) as tunnel:
            reader, writer = await connect(tunnel)
            assert await all_of(reader) == (b"", False)
            writer.close()

    run(scene())


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


def test_connections_to_a_provider_that_was_left_end_at_once():
    target = []

    async def scene():
        async with program(echo) as uri, program(echo) as other, opened(lambda: target[-1]) as tunnel:
            target.append(CarrierAddress(uri, KEY))
            reader, writer = await connect(tunnel)
            writer.write(b"hello")
            await asyncio.wait_for(reader.readexactly(5), SECONDS * slower())
            target.append(CarrierAddress(other, KEY))
            tunnel.carriers.cut()
            assert await all_of(reader) == (b"", False)
            writer.close()
            reader, writer = await connect(tunnel)
            writer.write(b"again")
            assert await asyncio.wait_for(reader.readexactly(5), SECONDS * slower()) == b"again"
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


def test_an_address_that_is_taken_or_not_ours_is_an_error_in_words():
    async def scene():
        async with opened(lambda: None) as tunnel:
            host, port = tunnel.address.removeprefix("http://").split(":")
            with pytest.raises(AccessError, match="Address already in use") as caught:
                await tunnel_at(host, int(port), 8888, tunnel.carriers.carry).start()
            assert "Another program has the port" in caught.value.remedy
            for elsewhere in ("192.0.2.1", "no-such-host.invalid"):
                with pytest.raises(AccessError, match="can't listen") as caught:
                    await tunnel_at(elsewhere, 0, 8888, tunnel.carriers.carry).start()
                assert "address of this computer" in caught.value.remedy

    run(scene())


def test_hundreds_at_once_are_connected_in_turn_and_the_launcher_goes_ahead():
    opening, most = set(), [0]

    async def scene():
        held = asyncio.Event()

        async def behave(peer):
            await peer.upgrade()
            await peer.message()
            opening.add(peer)
            most[0] = max(most[0], len(opening))
            if not held.is_set() and len(opening) <= 16:  # the launcher's own is the seventeenth
                await held.wait()
            opening.discard(peer)
            peer.send(encode(0, Record(TAKEN, bytes(8))))
            peer.send(encode(1, Record(DATA, b"hello")))
            peer.send(encode(2, Record(END, b"")))
            await peer.reader.read(1 << 16)

        async with tunnel_into(behave) as tunnel:
            several = [await connect(tunnel) for _ in range(200)]
            await until(lambda: len(opening) == 16)
            stream = await asyncio.wait_for(tunnel.carriers.dial(8888, ahead=True), SECONDS * slower())
            assert await asyncio.wait_for(stream.read(5), SECONDS * slower()) == b"hello"
            stream.close()
            held.set()
            for reader, writer in several:
                assert (await all_of(reader))[0] == b"hello"
                writer.close()
        assert most == [17]

    run(scene())


def test_questions_that_are_given_up_share_one_attempt():
    peers = []

    async def scene():
        held = asyncio.Event()

        async def behave(peer):
            peers.append(peer)
            await peer.upgrade()
            await peer.message()
            await held.wait()
            peer.send(encode(0, Record(TAKEN, bytes(8))))
            peer.send(encode(1, Record(DATA, b"hello")))
            await peer.reader.read(1 << 16)
            peers.remove(peer)

        async with tunnel_into(behave) as tunnel:
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(tunnel.carriers.dial(8888, ahead=True), 0.1)
            await until(lambda: len(peers) == 1)
            asking = asyncio.create_task(tunnel.carriers.dial(8888, ahead=True))
            await asyncio.sleep(0)
            held.set()
            stream = await asyncio.wait_for(asking, SECONDS * slower())
            assert await asyncio.wait_for(stream.read(5), SECONDS * slower()) == b"hello"
            assert tunnel.carriers.counters.connections == len(peers) == 1
            stream.close()

            held.clear()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tunnel.carriers.dial(8888, ahead=True), 0.1)
            await until(lambda: tunnel.carriers.counters.connections == 2)
            held.set()
            await until(lambda: not peers)  # what nobody waited for is ended
            assert tunnel.carriers._connections == 0

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


def test_closing_ends_all_connections_at_once():
    async def scene():
        async with tunnel_to(echo) as tunnel:
            reader, writer = await connect(tunnel)
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), SECONDS * slower())
            await asyncio.wait_for(tunnel.aclose(), SECONDS * slower())
            await all_of(reader)
            writer.close()

    run(scene())


def test_a_browser_that_is_gone_without_a_word_is_noticed(monkeypatch):
    """As when another machine falls asleep: its kernel answers nothing any more, asked or sent to."""
    seconds = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 2000}
    monkeypatch.setattr(module_of_listeners, "_KEEPALIVE", seconds)

    async def noticed(*, busy):
        ended = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            try:
                while busy:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
                await reader.read(1)
            except OSError as error:
                ended.set_result(error)
                raise

        listener = module_of_listeners.Listener(module_of_listeners.bind("127.0.0.1", 0), serve)
        await listener.start()
        with socket.create_connection(("127.0.0.1", listener.port)) as browser:
            deaf(browser)
            await ended
        await listener.aclose()
        return ended.result()

    async def test():
        return await asyncio.gather(noticed(busy=False), noticed(busy=True))

    assert [error.errno for error in run(test())] == [errno.ETIMEDOUT, errno.ETIMEDOUT]


def deaf(connection):
    """Has the kernel drop all that comes for a connection, unanswered: a filter of one instruction, "take 0 bytes"."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
