"""The agent's end of carried connections: reads the port that each is for, and connects to it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from typing import TYPE_CHECKING

from .tcp_carrier import Carrier, reset
from .tcp_carrier_protocol import (
    BACKLOG,
    COUNT,
    LARGEST,
    NO_KEY,
    OPEN,
    OPENING,
    RESET,
    TAKEN,
    CarrierError,
    Decoder,
    Record,
    encode,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

_OPEN_SECONDS = 20.0
_DIAL_SECONDS = 10.0
_HEARD_SECONDS = 1.0
_AGAIN_SECONDS = 0.05


async def answer(
    incoming: AsyncIterator[bytes],
    send: Callable[[bytes], Awaitable[None]],
    dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    key: bytes = NO_KEY,
) -> None:
    """The other end of one carrier, to its end. Raises ``CarrierError`` or ``OSError`` when that is not a good one.

    ``key`` is what it must show: the other machines of a session are in the same network.
    """
    decoder = Decoder()
    opening, *early = await asyncio.wait_for(first(incoming, decoder), _OPEN_SECONDS)
    if opening.kind != OPEN:
        raise CarrierError("it does not say where to")
    port, shown = OPENING.unpack(opening.payload)
    if not hmac.compare_digest(shown, key):
        raise CarrierError("it is a stranger's")
    try:
        reader, writer = await dial(port)
    except OSError:
        await send(encode(0, Record(RESET, b"")))
        with contextlib.suppress(asyncio.TimeoutError):  # what we said would be lost with a connection that is reset
            await asyncio.wait_for(_to_the_end(incoming), _HEARD_SECONDS)
        raise
    try:
        await send(encode(0, Record(TAKEN, COUNT.pack(0))))
        await Carrier(reader, writer, send, decoder=decoder, early=early).run(incoming)
    except BaseException:
        reset(writer)
        raise
    finally:
        writer.close()


async def _to_the_end(incoming: AsyncIterator[bytes]) -> None:
    async for _ in incoming:
        pass


async def first(incoming: AsyncIterator[bytes], decoder: Decoder) -> list[Record]:
    """The first records that come. Raises ``CarrierError`` when none does."""
    async for data in incoming:
        records = decoder.receive(data)
        if records:
            return records
    raise CarrierError("nothing came")


async def dial_patiently(
    hosts: Sequence[str], port: int, seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a server of our own, waiting up to ``seconds`` for one that is being started. Raises ``OSError``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        try:
            return await dial(hosts, port)
        except OSError:
            if loop.time() > end:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


async def dial(hosts: Sequence[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to ``port`` on the first of ``hosts`` that answers. Raises ``OSError``."""
    refused = OSError("no address")
    for host in hosts:
        try:
            return await asyncio.wait_for(asyncio.open_connection(host, port, limit=LARGEST), _DIAL_SECONDS)
        except asyncio.TimeoutError:  # noqa: PERF203 - a try each is what is wanted
            refused = OSError("it does not answer")
        except OSError as error:
            refused = error
    raise refused


async def serve(
    listener: socket.socket,
    dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    key: bytes = NO_KEY,
) -> asyncio.AbstractServer:
    """The provider's end: carriers come in by ``listener``, and each names the port to ``dial``."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            with contextlib.suppress(CarrierError, OSError, asyncio.TimeoutError):
                await answer(_chunks(reader), send, dial, key)
        finally:
            reset(writer)  # yagna passes on nothing else, and keeps the connection

    return await asyncio.start_server(accept, sock=listener, limit=LARGEST, backlog=BACKLOG)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(2 * LARGEST):
        yield data
