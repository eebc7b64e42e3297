"""The endpoint against Linux's own TCP, over a TAP device: an independent witness. Needs root and /dev/net/tun."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import subprocess

import pytest

from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint
from tests.patience import slower

NET = f"10.231.{os.getpid() % 250}"  # two suites on one machine have different ones
TUNSETIFF, TAP, NO_PI = 0x400454CA, 2, 0x1000


@pytest.fixture
def tap():
    name = f"glt{os.getpid() % 100000}"
    try:
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        pytest.skip(f"no TAP device: {error}")
    try:
        try:
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP | NO_PI))
            for command in (f"addr add {NET}.1/24 dev {name}", f"link set {name} mtu 1386 up"):
                subprocess.run(["ip", *command.split()], check=True, timeout=10 * slower(), capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no TAP device: {error}")
        yield device
    finally:
        os.close(device)


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"end")
    writer.close()
    await writer.wait_closed()


async def converse(device, connections, size, loss):
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def dial(wanted):
        import socket  # noqa: PLC0415

        if wanted != 80:
            raise ConnectionRefusedError
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        return sock

    line = BadLine(lambda frame: os.write(device, frame), LineRule(loss=loss, seed=3))
    node = VpnEndpoint(f"{NET}.2", f"{NET}.0/24", line.send, dial)
    loop.add_reader(device, lambda: node.receive(os.read(device, 65536)))

    async def talk(number):
        reader, writer = await asyncio.open_connection(f"{NET}.2", 80)
        body = bytes((number + at) % 251 for at in range(size))
        writer.write(body)
        writer.write_eof()
        got = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        assert got == body + b"end"

    try:
        await asyncio.wait_for(asyncio.gather(*(talk(number) for number in range(connections))), 50 * slower())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(asyncio.open_connection(f"{NET}.2", 81), 60 * slower())
        assert node.counters.malformed == 0
        assert node.counters.opened == connections
    finally:
        loop.remove_reader(device)
        await node.aclose()
        line.close()
        server.close()
        await server.wait_closed()


@pytest.mark.slow
@pytest.mark.parametrize(("connections", "size", "loss"), [(1, 3_000_000, 0.0), (100, 20_000, 0.0), (5, 200_000, 0.01)])
def test_linux_understands_us(tap, connections, size, loss):
    asyncio.run(converse(tap, connections, size, loss))
