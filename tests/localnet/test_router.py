"""The router alone, with peers that behave and peers that do not."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.errors import BusCallError, BusClosed, LocalNetError
from golem_launcher.localnet import router_peer
from golem_launcher.localnet.router import Router
from golem_launcher.node.gsb import GsbClient, connection, frames, ok, packets
from tests.examples import examples
from tests.node.gsb.read_packet import read_packet
from tests.patience import slower


def with_router(test):
    async def run():
        async with Router() as router:
            await asyncio.wait_for(test(router), 60 * slower())

    asyncio.run(run())


def join(router):
    return GsbClient.connect(f"tcp://127.0.0.1:{router.port}")


async def raw(router, *more, instance=b"raw"):
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    for packet in (packets.Hello("raw", "1", instance), *more):
        writer.write(frames.encode(packet))
    assert isinstance(await read_packet(reader), packets.Hello)
    return reader, writer


def test_the_longest_prefix_at_a_border_answers():
    async def test(router):
        async with await join(router) as one, await join(router) as other, await join(router) as caller:
            await one.register("/net/0x1", lambda _: ok("short"))
            await other.register("/net/0x1/vpn", lambda _: ok("long"))
            router.attach("/net/0x1/vpn/inside", lambda _: ok("inside"))
            answers = {
                "/net/0x1/x": "short",
                "/net/0x1/vpnx/y": "short",
                "/net/0x1/vpn/x": "long",
                "/net/0x1/vpn": "long",
                "/net/0x1/vpn/inside/x": "inside",
            }
            for address, expected in answers.items():
                assert await caller.call(address, None) == expected
                assert await router.call(address, None) == expected
            with pytest.raises(BusCallError) as caught:
                await caller.call("/net/0x11/x", None)
            assert caught.value.code == 400
            router.detach("/net/0x1/vpn/inside")
            await other.unregister("/net/0x1/vpn")
            assert await caller.call("/net/0x1/vpn/inside/x", None) == "short"
            with pytest.raises(BusCallError):
                router.attach("/net/0x1", lambda _: ok())
            with pytest.raises(BusCallError) as caught:
                await other.register("/net/0x1", lambda _: ok())
            assert caught.value.code == 409

    with_router(test)


def test_a_hundred_peers_at_once():
    async def one(router, number):
        async with await join(router) as client:
            await client.register(f"/net/{number}", lambda call: ok(call.payload()))
            data = bytes([number]) * 20_000
            answers = await asyncio.gather(*(router.call(f"/net/{number}/x", data) for _ in range(5)))
            assert answers == 5 * [data]
            assert await client.call(f"/net/{number}/x", number) == number

    async def test(router):
        await asyncio.gather(*(one(router, number) for number in range(100)))

    with_router(test)


def test_broadcasts_reach_those_who_asked():
    async def test(router):
        (ears, one), (replies, other) = [await raw(router, instance=each) for each in (b"one", b"other")]

        async def does(reader, writer, request, reply):
            writer.write(frames.encode(request))
            assert await read_packet(reader) == reply

        first, olds, second = (
            packets.BroadcastRequest("0x2", data, topic)
            for data, topic in ((b"first", "news"), (b"nobody", "olds"), (b"second", "news"))
        )
        await does(ears, one, packets.SubscribeRequest("news"), packets.SubscribeReply())
        await does(replies, other, olds, packets.BroadcastReply())
        await does(replies, other, first, packets.BroadcastReply())
        assert await read_packet(ears) == first
        await does(ears, one, packets.UnsubscribeRequest("news"), packets.UnsubscribeReply())
        await does(replies, other, second, packets.BroadcastReply())
        await does(ears, one, packets.UnsubscribeRequest("news"), packets.UnsubscribeReply(packets.NOT_FOUND))
        one.close()
        other.close()

    with_router(test)


def test_calls_to_a_peer_that_leaves_fail_at_once():
    async def test(router):
        reader, writer = await raw(router, packets.RegisterRequest("/net/0x9"))
        assert await read_packet(reader) == packets.RegisterReply()
        async with await join(router) as caller:
            calls = [asyncio.ensure_future(bus.call("/net/0x9/x", None, timeout=50)) for bus in (caller, router)]
            for _ in calls:
                assert isinstance(await read_packet(reader), packets.CallRequest)
            writer.close()
            for call in calls:
                with pytest.raises(BusCallError, match="lost connection"):
                    await call

    with_router(test)


def test_a_peer_that_does_not_read_bounds_what_waits_for_it():
    async def test(router):
        reader, writer = await raw(router, packets.RegisterRequest("/net/0x9"))
        assert await read_packet(reader) == packets.RegisterReply()
        writer.transport.pause_reading()
        data = bytes(1_000_000)
        sent = [router.post("/net/0x9/raw", data) for _ in range(200)]
        assert not all(sent)
        assert router.dropped == sent.count(False)
        (peer,) = (peer for peer in router._peers if peer.services)
        assert peer.unsent < connection.SEND_LIMIT + 2 * len(data)
        async with await join(router) as caller:  # calls hold their sender up instead
            calls = [asyncio.ensure_future(caller.call_raw("/net/0x9/x", data, timeout=50)) for _ in range(50)]
            while not caller._link.full:  # noqa: ASYNC110 - a condition of the transport, which nobody announces
                await asyncio.sleep(0)
            assert peer.unsent < connection.SEND_LIMIT + 4 * len(data)
            for _ in range(3):  # what the timer does
                peer.check()
            for call in calls[:1]:
                with pytest.raises(BusCallError):
                    await call
            for call in calls[1:]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        writer.close()

    with_router(test)


def test_what_is_sent_in_one_turn_leaves_together_in_order_and_before_the_end():
    """A write for each frame would be half the CPU of a download through the VPN."""

    async def test(router):
        reader, writer = await raw(router, packets.RegisterRequest("/net/0x9"))
        assert await read_packet(reader) == packets.RegisterReply()
        (peer,) = (peer for peer in router._peers if peer.services)
        writes = []
        write = peer._transport.write
        peer._transport.write = lambda data: (writes.append(len(data)), write(data))
        sizes = [1400] * 20 + [300_000] + [1400] * 20
        for number, size in enumerate(sizes):
            assert router.post("/net/0x9/raw", bytes((number,)) * size)
        assert peer.unsent > 20 * 1400  # it counts as waiting while it is gathered
        peer.close()
        for number, size in enumerate(sizes):
            assert (await read_packet(reader)).data == bytes((number,)) * size
        assert not await reader.read()
        assert len(writes) < len(sizes)
        writer.close()

        other, writer = await raw(router, packets.RegisterRequest("/net/0x8"))
        assert await read_packet(other) == packets.RegisterReply()
        (peer,) = (peer for peer in router._peers if peer.services)
        router.post("/net/0x8/raw", b"never")
        peer.abort()
        assert not peer.unsent
        with contextlib.suppress(ConnectionResetError):
            assert not await other.read()
        writer.close()

    with_router(test)


def test_silent_peers_are_asked_then_dropped():
    async def test(router):
        reader, writer = await raw(router)
        (peer,) = router._peers
        while peer.instance_id is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(router_peer._PING_AFTER + 1):
            peer.check()
        assert await read_packet(reader) == packets.Ping()
        writer.write(frames.encode(packets.Pong()) + frames.encode(packets.Ping()))
        assert await read_packet(reader) == packets.Pong()
        for _ in range(router_peer._LOST_AFTER + 1):
            peer.check()
        while await reader.read(100):
            pass
        writer.close()

    with_router(test)


def test_a_peer_that_comes_again_replaces_itself():
    async def test(router):
        first, writer = await raw(router, packets.RegisterRequest("/net/0x9"))
        assert await read_packet(first) == packets.RegisterReply()
        second, other = await raw(router, packets.RegisterRequest("/net/0x9"))
        assert await read_packet(second) == packets.RegisterReply()
        with pytest.raises(BusClosed):
            await read_packet(first)
        writer.close()
        other.close()

    with_router(test)


def test_hostile_peers_end_only_themselves():
    async def attack(router, blob, greet):
        reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
        writer.write((frames.encode(packets.Hello("x", "1", blob[:8] or b"x")) if greet else b"") + blob)
        writer.write_eof()
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass
        writer.close()

    bodies = st.binary(max_size=300)
    framed = bodies.map(lambda body: len(body).to_bytes(4, "big") + body)

    @settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(bodies, framed), min_size=1, max_size=4), st.booleans())
    def fuzz(blobs, greet):
        async def test(router):
            async with await join(router) as one, await join(router) as other:
                await one.register("/net/0x1", lambda call: ok(call.payload()))
                await asyncio.gather(*(attack(router, blob, greet) for blob in blobs))
                assert await other.call("/net/0x1/x", "alive") == "alive"

        with_router(test)

    fuzz()


def test_ports():
    with pytest.raises(LocalNetError, match="four digits"):
        Router(10000)

    async def test(router):
        assert 1000 <= router.port <= 9999
        with pytest.raises(LocalNetError, match="can't listen"):
            await Router(router.port).start()

    with_router(test)
