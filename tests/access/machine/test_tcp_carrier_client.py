"""Carriers are made, refused, made again, limited and cut; a websocket server does as told. The real yagna:
test_tcp_carrier_by_yagna.py.
"""

import asyncio

import pytest

from golem_launcher.access.machine import tcp_carrier_client as module
from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress
from golem_launcher.agent.tcp_carrier_protocol import DATA, END, OPEN, RESET, TAKEN, Record, encode
from golem_launcher.errors import AccessError
from tests.access.carriers import KEY, all_of, connect, echo, opened, run, tunnel_into, tunnel_to, until
from tests.access.far_side import SECONDS, program
from tests.patience import slower

pytestmark = pytest.mark.usefixtures("short_farewells")


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
