"""The way out of a sandbox. A server on 127.0.0.1 stands for a machine of the internet, whose address nobody has."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.localnet.runtime import dns
from golem_launcher.localnet.runtime.internet import Internet, is_public
from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace, Deployment
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime, why_no_sandbox
from tests.localnet.runtime.test_runtimes import good, run, wheel
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WHY_NOT = why_no_sandbox()
sandboxed = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "sandboxes work")
ADDRESS = "203.0.113.7"
NAME = "site.example"

ECHO = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)
connection.request("POST", "/echo", b"x" * 3_000_000)
print(len(connection.getresponse().read()))
"""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
LOOK_UP = "import socket, sys; print(*sorted({e[4][0] for e in socket.getaddrinfo(sys.argv[1], 80)}))"
KNOCK = """
import socket, sys
for text in sys.argv[1:]:
    host, _, port = text.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
        print("open", text)
    except OSError as error:
        print(error.strerror, text)
"""


class World(Internet):
    """An internet of one machine, which is this one's server; whoever lives at another address is not at home."""

    def __init__(self):
        self.asked = []

    async def addresses(self, name):
        self.asked.append(name)
        return {NAME: [ADDRESS], "other.example": ["203.0.113.8"]}.get(name, [])

    async def connect(self, address, port):
        if not address.startswith("203.0.113."):
            raise ConnectionRefusedError
        return await super().connect("127.0.0.1", port)


@pytest.fixture(autouse=True)
def loopback_is_public(monkeypatch):
    """For :class:`World` alone."""
    monkeypatch.setattr("golem_launcher.localnet.runtime.internet.is_public", lambda address: address == "127.0.0.1")


@contextlib.asynccontextmanager
async def site(directory):
    """A package index and an echo; its port."""

    async def echo(request):
        return web.Response(body=await request.read())

    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/echo", echo)
    app.router.add_static("/", directory, show_index=True)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def sandbox(base, directory, internet, destinations=None) -> AsyncIterator[SandboxRuntime]:
    place = ActivityPlace(directory / "activity", base, "some-activity", internet=internet, destinations=destinations)
    runtime = SandboxRuntime(place)
    try:
        await runtime.deploy(Deployment())
        yield runtime
    finally:
        await runtime.stop()


@pytest.mark.slow
@sandboxed
def test_pip_and_others_reach_the_internet(base, short_path, tmp_path):
    packages = tmp_path / "simple" / "launchprobe"
    packages.mkdir(parents=True)
    wheel(packages)
    (packages / "index.html").write_text(
        '<a href="launchprobe-1.0-py3-none-any.whl">launchprobe-1.0-py3-none-any.whl</a>'
    )

    async def main():
        async with site(tmp_path) as port, sandbox(base, short_path, World()) as runtime:
            url = f"http://{NAME}:{port}"
            assert "proxy" not in await good(runtime, "env")
            assert "launchprobe" in await good(runtime, "python3", "-c", FETCH, f"{url}/simple/launchprobe/index.html")
            pip = ["pip", "install", "--no-index", "--trusted-host", NAME]
            await good(runtime, *pip, "--find-links", f"{url}/simple/launchprobe/index.html", "launchprobe")
            assert await good(runtime, "python3", "-c", "import launchprobe; print(launchprobe.WORD)") == "installed\n"
            assert await good(runtime, "python3", "-c", ECHO, ADDRESS, str(port)) == "3000000\n"
            assert await good(runtime, "python3", "-c", LOOK_UP, NAME) == f"{ADDRESS}\n"
            code, _, said = await run(runtime, "python3", "-c", LOOK_UP, "nowhere.example")
            assert code == 1
            assert "Name or service not known" in said or "No address" in said

    asyncio.run(main())


@sandboxed
def test_nothing_of_this_machine_is_reached(base, short_path, tmp_path, monkeypatch):
    monkeypatch.setattr("golem_launcher.localnet.runtime.internet.is_public", is_public)

    async def main():
        async with site(tmp_path) as port, sandbox(base, short_path, Internet()) as runtime:
            own = [
                f"{each}:{port}" for each in ("127.0.0.1", "10.42.42.1", "10.1.2.3", "192.168.0.1", "169.254.169.254")
            ]
            said = await good(runtime, "python3", "-c", KNOCK, *own)
            assert said.splitlines() == [f"Connection refused {each}" for each in own]

    asyncio.run(main())


@sandboxed
def test_there_may_be_no_way_out(base, short_path):
    async def main():
        async with sandbox(base, short_path, None) as runtime:
            code, _, said = await run(runtime, "python3", "-c", FETCH, f"http://{ADDRESS}/")
            assert code == 1
            assert "unreachable" in said
            code, _, said = await run(runtime, "python3", "-c", LOOK_UP, NAME)
            assert code == 1
            assert "gaierror" in said

    asyncio.run(main())


@sandboxed
def test_a_connection_under_way_ends_with_the_sandbox(base, short_path):
    async def main():
        connected, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader, writer):
            connected.set()
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            ended.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            async with sandbox(base, short_path, World()) as runtime:
                asking = asyncio.create_task(run(runtime, "python3", "-c", FETCH, f"http://{ADDRESS}:{port}/"))
                await asyncio.wait_for(connected.wait(), 20 * slower())
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await asyncio.wait_for(ended.wait(), 20 * slower())

    asyncio.run(main())


@sandboxed
def test_only_what_the_manifest_names_is_reached_and_names_are_looked_up_once(base, short_path, tmp_path):
    (tmp_path / "page").write_text("found")

    async def main():
        world = World()
        async with site(tmp_path) as port, sandbox(base, short_path, world, frozenset({(NAME, port)})) as runtime:
            for host in (NAME, ADDRESS, NAME):
                assert await good(runtime, "python3", "-c", FETCH, f"http://{host}:{port}/page") == "found\n"
            assert world.asked == [NAME]
            assert await good(runtime, "python3", "-c", LOOK_UP, "other.example") == "203.0.113.8\n"
            others = [f"other.example:{port}", f"203.0.113.8:{port}", f"{NAME}:{port + 1}", "1.1.1.1:53"]
            said = await good(runtime, "python3", "-c", KNOCK, *others)
            assert said.splitlines() == [f"Connection refused {each}" for each in others]

    asyncio.run(main())


def test_public_addresses():
    assert is_public("1.1.1.1")
    for address in (
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255",
    ):  # fmt: skip
        assert not is_public(address), address


def question(name, kind=1):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def test_a_question_for_a_name_is_answered_as_name_servers_do():
    asked = question("Pypi.Org")
    read = dns.read(asked)
    assert read.name == "pypi.org"
    answer = read.answer(["192.0.2.1", "192.0.2.2"])
    assert struct.unpack_from("!6H", answer) == (77, 0x8180, 1, 2, 0, 0)
    assert answer[12:].startswith(asked[12:])
    assert answer.endswith(bytes([0, 4, 192, 0, 2, 2]))
    assert len(read.answer([f"192.0.2.{number}" for number in range(200)])) <= 512
    assert struct.unpack_from("!6H", read.answer([])) == (77, 0x8183, 1, 0, 0, 0)
    assert struct.unpack_from("!6H", dns.read(question("a.b", 28)).answer(["192.0.2.1"])) == (77, 0x8180, 1, 0, 0, 0)
    assert struct.unpack_from("!6H", dns.read(question("a.b", 16)).answer(["192.0.2.1"])) == (77, 0x8184, 1, 0, 0, 0)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: question("a.example")[:20] + rest))
def test_any_datagram_is_a_question_or_none(message):
    read = dns.read(message)
    if read is not None:
        assert len(read.answer(["192.0.2.1"] * 99)) <= 512 + len(read.written)
