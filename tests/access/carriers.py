"""Tunnels over carriers whose far side does as a test tells it, and what is said through them."""

import asyncio
import contextlib

from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.access.sockets.loopback_address import loopback_address
from tests.access.far_side import SECONDS, far_side, program, tunnel_at
from tests.patience import slower

KEY = "0123456789abcdef"


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
