"""The endpoint against a real yagna's TCP, through the router: what the launcher's tunnel meets."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from random import Random
from socket import SO_LINGER, SOL_SOCKET

import aiohttp
import pytest

from golem_launcher.localnet.vpn import LineRule
from tests.localnet.vpn.conftest import joined
from tests.patience import slower

pytestmark = pytest.mark.slow

BINARY = aiohttp.WSMsgType.BINARY
CHUNK = 60_000


def noise(size):
    return Random(size).randbytes(size)


async def read(websocket, size):
    """At least ``size`` bytes, or all there are."""
    got = bytearray()
    while len(got) < size:
        message = await websocket.receive()
        if message.type is not BINARY:
            break
        got += message.data
    return bytes(got)


async def send(websocket, data):
    for at in range(0, len(data), CHUNK):
        await websocket.send_bytes(data[at : at + CHUNK])


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def digest_then_noise(reader, writer):
    """Takes two numbers and as many bytes as the first, says their digest, then sends as many as the second."""
    coming = int.from_bytes(await reader.readexactly(4), "big")
    wanted = int.from_bytes(await reader.readexactly(4), "big")
    writer.write(hashlib.sha256(await reader.readexactly(coming)).digest() + noise(wanted))
    await writer.drain()
    await reader.read(-1)
    writer.close()


async def there_and_back(network, size):
    # yagna mixes up the order of messages once more of them wait than its TCP takes: no more than two at a time here
    body = noise(2 * CHUNK - 8)
    async with network.connect() as websocket:
        await send(websocket, len(body).to_bytes(4, "big") + size.to_bytes(4, "big") + body)
        got = await read(websocket, 32 + size)
        assert got[:32] == hashlib.sha256(body).digest()
        assert got[32:] == noise(size)


def run(scenario, serve, rule=None):
    async def whole():
        async with joined(serve, rule) as network:
            await asyncio.wait_for(scenario(network), 100 * slower())

    asyncio.run(whole())


def test_every_byte_both_ways():
    async def scenario(network):
        await there_and_back(network, 4_000_000)
        assert network.endpoint.counters.malformed == network.endpoint.counters.failed == 0

    run(scenario, digest_then_noise)


def test_a_hundred_connections_at_once():
    async def one(network, number):
        body = noise(5000 + number)
        async with network.connect() as websocket:
            await send(websocket, body)
            assert await read(websocket, len(body)) == body

    async def scenario(network):
        await asyncio.gather(*(one(network, number) for number in range(100)))
        assert network.endpoint.counters.opened == 100

    run(scenario, echo)


def test_loss_and_frames_that_overtake_each_other():
    async def scenario(network):
        await there_and_back(network, 1_000_000)
        assert all(line.lost for line in network.lines)
        assert network.endpoint.counters.retransmissions > 0

    run(scenario, digest_then_noise, LineRule(loss=0.01, jitter=0.002, duplicates=0.01, seed=3))


def test_a_reset_and_a_closed_port_are_seen_at_once():
    async def serve(reader, writer):
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def scenario(network):
        async with network.connect() as websocket:
            await websocket.send_bytes(b"r")
            assert (await asyncio.wait_for(websocket.receive(), 60 * slower())).type is not BINARY
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await asyncio.wait_for(network.http.ws_connect(f"{network.uri}/81"), 60 * slower())
        assert network.endpoint.connections == 0

    run(scenario, serve)


def test_an_announced_node_is_reached_at_once_though_answers_are_lost():
    """yagna asks for a hardware address every 3 s only; here it would ask for ever."""

    async def scenario(network):
        network.endpoint.announce("192.168.0.1")
        async with network.connect() as websocket:
            await websocket.send_bytes(b"hello")
            assert await read(websocket, 5) == b"hello"

    async def whole():
        async with joined(echo) as network:
            network.endpoint._receive_arp = lambda _arp: None  # yagna's questions stay without an answer
            await asyncio.wait_for(scenario(network), 60 * slower())

    asyncio.run(whole())
