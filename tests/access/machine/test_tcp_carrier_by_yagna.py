"""The tunnel through the real yagna and the VPN, to a program that a session runs."""

import asyncio
import contextlib
import json
import urllib.request

import pytest

from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.errors import AccessError
from golem_launcher.rental.payment.journal import Journal
from tests.access.far_side import tunnel_at
from tests.patience import slower
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow

SECONDS = 60
PORT = 7777

# Runs in the provider. The first line says what to do.
_SERVER = """
import asyncio, os, struct, socket, sys
sys.path.insert(0, os.path.abspath("../run/golem-launcher-agent.pyz"))
from golem_launcher_agent import tcp_carrier_server
HERE = os.environ.get("GOLEM_BIND_ADDRESS", "0.0.0.0")
LIVING = 0

async def serve(reader, writer):
    global LIVING
    LIVING += 1
    try:
        verb, _, number = (await reader.readline()).decode().strip().partition(" ")
        if verb == "echo":
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        elif verb == "give":
            writer.write(b"x" * int(number))
            await writer.drain()
        elif verb == "flood":
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        elif verb == "reset":
            writer.write(b"part of the whole")
            await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif verb == "living":
            writer.write(str(LIVING - 1).encode())
            await writer.drain()
    except OSError:
        pass
    finally:
        LIVING -= 1
        writer.close()

async def main():
    server = await asyncio.start_server(serve, HERE, PORT + 1, backlog=200)
    listener = socket.create_server((HERE, PORT))
    end = await tcp_carrier_server.serve(listener, lambda port: tcp_carrier_server.dial((HERE,), port))
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def vpn(remote_session):
    """How to name a port of the provider to yagna."""
    directory, network = remote_session
    entries = Journal.read(directory.path).entries
    node = network.node
    base = f"{node.api_url}/net-api/v1/net/{entries.network_id}"
    request = urllib.request.Request(f"{base}/nodes", headers={"Authorization": f"Bearer {node.app_key}"})
    with urllib.request.urlopen(request, timeout=SECONDS * slower()) as answer:
        nodes = json.load(answer)
    ip = next(member["ip"] for member in nodes if member["id"] == entries.agreements[-1].provider_id)

    def name(port=PORT, network_part=""):
        return CarrierAddress(f"{base.replace('http', 'ws', 1)}{network_part}/tcp/{ip}/{port}", node.app_key)

    code = f"""
import subprocess, sys
source = {_SERVER.replace("PORT", str(PORT))!r}
process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True)
print(process.stdout.readline().decode())
"""

    async def start():
        async with Jupyter(directory.url()) as jupyter:
            assert "ready" in await jupyter.execute(code)

    asyncio.run(start())
    return name


@contextlib.asynccontextmanager
async def tunnel_to(target, remote_port=PORT + 1):
    async with CarrierClient(lambda: target) as ways:
        tunnel = tunnel_at(loopback_address("vpn"), 0, remote_port, ways.carry)
        await tunnel.start()
        tunnel.carriers = ways
        try:
            yield tunnel
        finally:
            await tunnel.aclose()


async def ask(tunnel, line):
    host, port = tunnel.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(line + b"\n")
    return reader, writer


async def exactly(stream, size):
    found = b""
    while len(found) < size:
        piece = await asyncio.wait_for(stream.read(size - len(found)), SECONDS * slower())
        assert piece, found
        found += piece
    return found


async def all_of(reader):
    found = b""
    try:
        while piece := await asyncio.wait_for(reader.read(1 << 16), SECONDS * slower()):
            found += piece
    except ConnectionResetError:
        return found, False
    return found, True


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 300 * slower()))


def test_megabytes_come_back_as_they_were(vpn):
    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            reader, writer = await ask(tunnel, b"echo")
            data = bytes(range(256)) * 8000
            writer.write(data)
            assert await asyncio.wait_for(reader.readexactly(len(data)), SECONDS * slower()) == data
            writer.close()

    run(scene())


def test_the_end_over_there_comes_after_the_last_byte(vpn):
    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            reader, writer = await ask(tunnel, b"give 300000")
            found, clean = await all_of(reader)
            assert (len(found), clean) == (300_000, True)
            writer.close()
            assert tunnel.carriers.counters.failures == 0

    run(scene())


def test_many_at_once(vpn):
    async def one(tunnel, number):
        reader, writer = await ask(tunnel, b"echo")
        data = b"%d" % number * 5000
        writer.write(data)
        assert await asyncio.wait_for(reader.readexactly(len(data)), SECONDS * slower()) == data
        writer.close()

    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            await asyncio.gather(*(one(tunnel, number) for number in range(100)))

    run(scene())


@pytest.mark.parametrize(
    "name",
    [{"port": PORT + 9}, {"remote_port": PORT + 3}, {"network_part": "0"}],
    ids=["nobody there", "nobody behind the carrier", "unknown network"],
)
def test_what_yagna_refuses_ends_at_once(vpn, name):
    async def scene():
        where = dict(name)
        remote_port = where.pop("remote_port", PORT + 1)
        async with tunnel_to(vpn(**where), remote_port) as tunnel:
            reader, writer = await ask(tunnel, b"echo")
            assert await asyncio.wait_for(all_of(reader), SECONDS * slower()) == (b"", False)
            writer.close()
            assert tunnel.carriers.counters.failures == 1

    run(scene())


def test_who_leaves_is_gone_over_there_too(vpn):
    async def living(tunnel):
        reader, writer = await ask(tunnel, b"living")
        found, _ = await all_of(reader)
        writer.close()
        return int(found)

    async def none_living(tunnel):
        while await living(tunnel):  # noqa: ASYNC110 - it is asked over there
            await asyncio.sleep(0.1)

    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            await none_living(tunnel)  # those of other tests are gone
            reader, writer = await ask(tunnel, b"flood")
            await reader.readexactly(100_000)
            assert await living(tunnel) == 1
            writer.close()
            await none_living(tunnel)

    run(scene())


def test_users_wait_while_it_is_held_and_the_launcher_does_not(vpn):
    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            reader, writer = await ask(tunnel, b"echo")
            own = await tunnel.carriers.dial(PORT + 1, ahead=True)
            own.write(b"echo\n")
            for stream, written in ((reader, writer), (own, own)):
                written.write(b"before")
                assert await exactly(stream, 6) == b"before"
            tunnel.carriers.hold()
            assert await all_of(reader) == (b"", False)
            with pytest.raises(AccessError):
                await tunnel.carriers.dial(PORT + 1)
            own.write(b"meanwhile")
            assert await exactly(own, 9) == b"meanwhile"
            own.close()
            writer.close()
            tunnel.carriers.resume()
            reader, writer = await ask(tunnel, b"echo")
            writer.write(b"after")
            assert await exactly(reader, 5) == b"after"
            writer.close()

    run(scene())


def test_silence_and_a_reader_that_pauses_survive_yagnas_ten_seconds(vpn):
    async def silent(tunnel):
        reader, writer = await ask(tunnel, b"echo")
        await asyncio.sleep(13)
        writer.write(b"still here")
        assert await asyncio.wait_for(reader.readexactly(10), SECONDS * slower()) == b"still here"
        writer.close()

    async def pausing(tunnel):
        reader, writer = await ask(tunnel, b"give 12000000")
        await asyncio.sleep(13)
        found, clean = await all_of(reader)
        assert (len(found), clean) == (12_000_000, True)
        writer.close()

    async def scene():
        async with tunnel_to(vpn()) as tunnel:
            await asyncio.gather(silent(tunnel), pausing(tunnel))

    run(scene())
