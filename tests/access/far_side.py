"""A far side for the framing alone: a websocket server made of bytes, so that it can also break every rule."""

import asyncio
import base64
import contextlib
import gc
import hashlib
import time

from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.agent import tcp_carrier_server
from golem_launcher.agent.tcp_carrier_protocol import TAKEN, CarrierError, Record, encode


def tunnel_at(host, port, remote_port, carry):
    """A listener whose connections lead to one port of the provider."""

    async def serve(reader, writer):
        await carry(remote_port, reader, writer)

    return Listener(bind(host, port), serve)


_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SECONDS = 60


def frame(body, opcode=0x2, *, first=None, length=None):
    """A server's frame; ``length`` may lie."""
    length = len(body) if length is None else length
    head = bytes((0x80 | opcode if first is None else first,))
    if length < 126:
        return head + bytes((length,)) + body
    if length < 1 << 16:
        return head + b"\x7e" + length.to_bytes(2, "big") + body
    return head + b"\x7f" + length.to_bytes(8, "big") + body


class Peer:
    """One websocket, seen from the server."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.head = {}

    async def upgrade(self, status=b"101 Switching Protocols"):
        lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        self.head = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
        key = next(line.split(b": ")[1] for line in lines if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.writer.write(
            b"HTTP/1.1 %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
            % (status, accept)
        )

    async def join(self):
        """Upgrade, and say that the connection stands, as the agent does."""
        await self.upgrade()
        await self.message()
        self.send(encode(0, Record(TAKEN, bytes(8))))

    async def message(self):
        """The next frame of the client: opcode and body."""
        first, second = await self.reader.readexactly(2)
        assert second & 0x80, "a client must mask"
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        assert length <= 64 * 1024
        mask = await self.reader.readexactly(4)
        body = await self.reader.readexactly(length)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))

    def send(self, body, opcode=0x2, **lies):
        self.writer.write(frame(body, opcode, **lies))


IN_TURN = 0.3
"""Seconds of a processor within which others have their turn. All of a flood at once takes more than half a one; and a
processor that others use as well does less in a second."""


@contextlib.asynccontextmanager
async def stopwatch():
    """The longest time that the loop stood still meanwhile, ``longest[0]``, in seconds of this process's work."""
    longest = [0.0]

    async def tick():
        before = time.process_time()
        while True:
            await asyncio.sleep(0.001)
            longest[0], before = max(longest[0], time.process_time() - before), time.process_time()

    gc.collect()
    gc.freeze()  # what all the tests before left is not looked through meanwhile
    ticking = asyncio.create_task(tick())
    try:
        yield longest
    finally:
        gc.unfreeze()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


@contextlib.asynccontextmanager
async def far_side(behave):
    """Serve websockets with ``behave(peer)``; the address, ``ws://…``. A failure of ``behave`` fails the test."""
    running = set()
    failures = []

    async def serve(reader, writer):
        running.add(asyncio.current_task())
        try:
            await behave(Peer(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the tunnel left first
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            writer.close()
            running.discard(asyncio.current_task())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/net"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert not failures


@contextlib.asynccontextmanager
async def program(serve):
    """The far side of a real carrier: ``serve(reader, writer)`` is a program in the provider. Gives the address."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def carry(peer):
        await peer.upgrade()

        async def send(data):
            peer.send(data)
            await peer.writer.drain()

        async def incoming():
            while True:
                opcode, body = await peer.message()
                if opcode == 0x2:
                    yield body
                elif opcode == 0x8:
                    peer.send(body, 0x8)
                    return

        async def dial(_):
            return await asyncio.open_connection("127.0.0.1", port)

        with contextlib.suppress(CarrierError, OSError, asyncio.IncompleteReadError):
            await tcp_carrier_server.answer(incoming(), send, dial)

    try:
        async with far_side(carry) as uri:
            yield uri
    finally:
        server.close()
