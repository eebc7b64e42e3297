"""The way out of a sandbox. A server on 127.0.0.2 stands for the internet, by a rule of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from golem_launcher.localnet.runtime import internet
from golem_launcher.localnet.runtime.internet import is_public
from golem_launcher.localnet.runtime.model import Deployment, Place
from golem_launcher.localnet.runtime.sandbox import SandboxRuntime, why_no_sandbox
from tests.exeunit.test_runtimes import good, run, wheel

WHY_NOT = why_no_sandbox()
sandboxed = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "sandboxes work")
INTERNET = "127.0.0.2"

TUNNEL = """
import http.client, os, sys, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["https_proxy"])
connection = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=20)
connection.set_tunnel(sys.argv[1], int(sys.argv[2]))
connection.request("POST", "/echo", b"x" * 3_000_000)
print(len(connection.getresponse().read()))
"""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


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
    await web.TCPSite(runner, INTERNET, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def sandbox(base, directory, may_reach, hosts=None):
    runtime = SandboxRuntime(Place(directory / "activity", base, "some-activity", may_reach=may_reach, hosts=hosts))
    try:
        await runtime.deploy(Deployment())
        yield runtime
    finally:
        await runtime.stop()


@sandboxed
def test_pip_and_others_reach_the_internet(base, short_path, tmp_path):
    packages = tmp_path / "simple" / "launchprobe"
    packages.mkdir(parents=True)
    wheel(packages)
    (packages / "index.html").write_text(
        '<a href="launchprobe-1.0-py3-none-any.whl">launchprobe-1.0-py3-none-any.whl</a>'
    )

    async def main():
        async with site(tmp_path) as port, sandbox(base, short_path, lambda address: address == INTERNET) as runtime:
            url = f"http://{INTERNET}:{port}"
            assert "launchprobe" in await good(runtime, "python3", "-c", FETCH, f"{url}/simple/launchprobe/index.html")
            pip = ["pip", "install", "--no-index", "--trusted-host", INTERNET]
            await good(runtime, *pip, "--find-links", f"{url}/simple/launchprobe/index.html", "launchprobe")
            assert await good(runtime, "python3", "-c", "import launchprobe; print(launchprobe.WORD)") == "installed\n"
            assert await good(runtime, "python3", "-c", TUNNEL, INTERNET, str(port)) == "3000000\n"

    asyncio.run(main())


@sandboxed
def test_nothing_of_this_machine_is_reached(base, short_path, tmp_path):
    async def main():
        async with site(tmp_path) as port, sandbox(base, short_path, is_public) as runtime:
            for host in (INTERNET, "127.1", "2130706434", "[::ffff:127.0.0.2]", "localhost.localdomain"):
                code, _, said = await run(runtime, "python3", "-c", FETCH, f"http://{host}:{port}/")
                assert code == 1, host
                assert "403" in said or "502" in said, said
            code, _, said = await run(runtime, "python3", "-c", TUNNEL, INTERNET, str(port))
            assert code == 1
            assert "403" in said

    asyncio.run(main())


@sandboxed
def test_there_may_be_no_way_out(base, short_path):
    async def main():
        async with sandbox(base, short_path, None) as runtime:
            assert "proxy" not in await good(runtime, "env")
            code, _, said = await run(runtime, "python3", "-c", FETCH, "http://203.0.113.1/")
            assert code == 1
            assert "unreachable" in said

    asyncio.run(main())


@sandboxed
def test_a_connection_under_way_ends_with_the_sandbox(base, short_path):
    async def main():
        connected, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader, writer):
            connected.set()
            await reader.read()
            ended.set()
            writer.close()

        server = await asyncio.start_server(silent, INTERNET, 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            async with sandbox(base, short_path, lambda _: True) as runtime:
                asking = asyncio.create_task(run(runtime, "python3", "-c", FETCH, f"http://{INTERNET}:{port}/"))
                await asyncio.wait_for(connected.wait(), 20)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await asyncio.wait_for(ended.wait(), 20)

    asyncio.run(main())


def test_public_addresses():
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")
    for address in (
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%lo", "fd00::1", "ff02::1",
    ):  # fmt: skip
        assert not is_public(address), address


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_not_reached(address):
    for disguise in ("::ffff:", "64:ff9b::", "::"):
        assert not is_public(str(ipaddress.ip_address(disguise + str(address))))


@given(st.binary(max_size=200))
@example(b"GET http://[::1/ HTTP/1.1")
@example(b"CONNECT a:b HTTP/1.1")
@example(b"GET http:///x HTTP/1.1")
def test_any_head_is_understood_or_refused(head):
    with contextlib.suppress(internet._Refused):
        _, host, port, request = internet._parse(head + b"\r\n\r\n")
        assert host
        assert 0 < port <= 65535
        assert request.endswith(b"Connection: close\r\n\r\n")


@sandboxed
def test_only_the_names_that_were_asked_for_are_reached(base, short_path, tmp_path):
    (tmp_path / "page").write_text("found")

    async def main():
        async with (
            site(tmp_path) as port,
            sandbox(base, short_path, lambda _: True, frozenset({INTERNET})) as runtime,
        ):
            assert await good(runtime, "python3", "-c", FETCH, f"http://{INTERNET}:{port}/page") == "found\n"
            code, _, said = await run(runtime, "python3", "-c", FETCH, f"http://127.0.0.3:{port}/page")
            assert code == 1
            assert "Not an address that was asked for" in said

    asyncio.run(main())
