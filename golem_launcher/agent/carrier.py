"""Carries a TCP connection through Golem's VPN in numbered records; run by the launcher's tunnel and by the agent.

The bare way would be a websocket of yagna's that is a TCP connection in the provider. Measured on yagna 0.17.6, it

* mixes up what goes to the provider: each message of the websocket is handed to the network stack in a task of its
  own, and several at a time get there in any order (two of three uploads of 2 MB arrived with their parts exchanged);
* takes without limit, so that a large upload lies in the daemon's memory;
* never passes on the end of a stream, in either direction, only a reset.

So each message is one record, which stays whole: its number puts it in its place, a window bounds what is under way,
and both ends of the stream are said in words. A record is a header (number, length, kind) and a payload:

    OPEN    the first of all, from the user's side: the port over there that the connection is for, as two bytes
    DATA    bytes of the stream
    END     no more bytes from here; the other direction stays
    TAKEN   how much of the window was taken so far, as eight bytes; also sent now and then as a sign of life
    RESET   it went wrong here

DATA and END use the length of their payload from the window, ``_LEAST_COST`` at least.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence

LARGEST = 64 * 1024 - 8
"""With its header a message of 64 KiB at most: yagna takes no larger ones."""
WINDOW = 1024 * 1024
DATA, END, TAKEN, RESET, OPEN = range(5)

_HEADER = struct.Struct(">IHB")
_COUNT = struct.Struct(">Q")
_PORT = struct.Struct(">H")
_LENGTHS = {TAKEN: _COUNT.size, OPEN: _PORT.size}
_NUMBERS = 1 << 32
_LEAST_COST = 512
_MOST_EARLY = 4 * WINDOW // _LEAST_COST
_TELL = WINDOW // 4
_HEARTBEAT_SECONDS = 30.0
_SILENCE_SECONDS = 120.0
_RESET_SECONDS = 1.0
_OPEN_SECONDS = 20.0
_DIAL_SECONDS = 10.0
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


class CarrierError(Exception):
    """The connection did not end well; the text says why."""


class Source(Protocol):
    """What a carrier reads from, as ``asyncio.StreamReader`` is."""

    async def read(self, most: int, /) -> bytes:
        """Up to ``most`` bytes; none at the end."""


class Sink(Protocol):
    """What a carrier writes to, as ``asyncio.StreamWriter`` is."""

    def write(self, data: bytes, /) -> None:
        """Send, at once or later."""

    async def drain(self) -> None:
        """Wait until there is room."""

    def can_write_eof(self) -> bool:
        """Whether one direction can end alone."""

    def write_eof(self) -> None:
        """End this direction."""

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""


class Record(NamedTuple):
    """One record, its number aside."""

    kind: int
    payload: bytes

    @property
    def cost(self) -> int:
        """What it uses from the window."""
        return max(len(self.payload), _LEAST_COST) if self.kind in (DATA, END) else 0


def encode(number: int, record: Record) -> bytes:
    """A record as it travels."""
    return _HEADER.pack(number % _NUMBERS, len(record.payload), record.kind) + record.payload


class Decoder:
    """Takes what arrives apart and puts it in order. Holds at most a window's worth, and one record."""

    def __init__(self) -> None:
        self._buffer = b""
        self._next = 0
        self._early: dict[int, Record] = {}
        self._held = 0

    def receive(self, data: bytes) -> list[Record]:
        """The records whose turn has come. Raises ``CarrierError`` for anything that we would not have sent."""
        data = self._buffer + data if self._buffer else data
        position = 0
        found = []
        while len(data) - position >= _HEADER.size:
            number, length, kind = _HEADER.unpack_from(data, position)
            if kind > OPEN or length > LARGEST or length != _LENGTHS.get(kind, length):
                raise CarrierError("a malformed record")
            end = position + _HEADER.size + length
            if end > len(data):
                break
            self._place(number, Record(kind, data[end - length : end]))
            while (record := self._early.pop(self._next, None)) is not None:
                self._held -= record.cost
                self._next = (self._next + 1) % _NUMBERS
                found.append(record)
            position = end
        self._buffer = data[position:]
        return found

    def _place(self, number: int, record: Record) -> None:
        self._held += record.cost
        if (number - self._next) % _NUMBERS >= _MOST_EARLY or number in self._early or self._held > 2 * WINDOW:
            raise CarrierError("a record that is far out of order")
        self._early[number] = record


class Carrier:
    """One end: ``reader`` and ``writer`` are the connection carried, ``send`` puts one record's bytes on the way.

    The user's side names the ``port`` over there; the other has read that from its ``decoder``, and ``early`` records.
    """

    def __init__(
        self,
        reader: Source,
        writer: Sink,
        send: Callable[[bytes], Awaitable[None]],
        *,
        port: int | None = None,
        decoder: Decoder | None = None,
        early: Sequence[Record] = (),
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._send_bytes = send
        self._port = port
        self._decoder = decoder or Decoder()
        self._early = early
        self._sending = asyncio.Lock()
        self._number = 0
        self._cost_sent = self._cost_told = 0
        self._cost_received = self._cost_taken = 0
        self._room = asyncio.Event()
        self._came = asyncio.Event()
        self._ended_here = self._ended_there = False
        self._heard = asyncio.get_running_loop().time()
        self.sent = 0
        """Bytes of the stream."""
        self.received = 0

    async def run(self, incoming: AsyncIterable[bytes]) -> None:
        """Carry bytes until both directions have ended. Raises ``CarrierError`` or ``OSError`` otherwise.

        Closes nothing: the caller closes both connections.
        """
        parts = [asyncio.ensure_future(part) for part in (self._outward(), self._inward(incoming), self._take())]
        work: asyncio.Future[Any] = asyncio.gather(*parts)
        life: asyncio.Future[Any] = asyncio.ensure_future(self._live())
        try:
            done, _ = await asyncio.wait({work, life}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (CarrierError, OSError, asyncio.CancelledError):
            await _end(work, life, *parts)
            with contextlib.suppress(Exception):  # whoever listens there; yagna itself would not tell
                await asyncio.wait_for(self._send(Record(RESET, b"")), _RESET_SECONDS)
            raise
        finally:
            await _end(work, life, *parts)

    async def _send(self, record: Record) -> None:
        async with self._sending:
            number, self._number = self._number, self._number + 1
            self._cost_sent += record.cost
            await self._send_bytes(encode(number, record))

    async def _outward(self) -> None:
        if self._port is not None:
            await self._send(Record(OPEN, _PORT.pack(self._port)))
        while True:
            while self._cost_sent - self._cost_told > WINDOW - LARGEST:
                self._room.clear()
                await self._room.wait()
            data = await self._reader.read(LARGEST)
            if not data:
                break
            self.sent += len(data)
            await self._send(Record(DATA, data))
        self._ended_here = True
        await self._send(Record(END, b""))

    async def _inward(self, incoming: AsyncIterable[bytes]) -> None:
        loop = asyncio.get_running_loop()
        for record in self._early:
            self._accept(record)
        async for data in incoming:
            self._heard = loop.time()
            for record in self._decoder.receive(data):
                self._accept(record)
            if self._over:
                return
        if not (self._ended_here and self._ended_there):
            raise CarrierError("the way through the VPN is gone")

    def _accept(self, record: Record) -> None:
        self._cost_received += record.cost
        if record.kind == RESET:
            raise CarrierError("reset by the other side")
        if record.kind == OPEN:
            raise CarrierError("it is open already")
        if record.kind == TAKEN:
            (told,) = _COUNT.unpack(record.payload)
            if not self._cost_told <= told <= self._cost_sent:
                raise CarrierError("an account that does not add up")
            self._cost_told = told
            self._room.set()
            return
        if self._ended_there or self._cost_received - self._cost_taken > WINDOW + LARGEST:
            raise CarrierError("more than was asked for")
        if self._writer.is_closing():
            raise CarrierError("the program has left")
        if record.kind == END:
            self._ended_there = True
        elif record.payload:
            self._writer.write(record.payload)  # the window bounds what waits there
            self.received += len(record.payload)
        self._came.set()

    @property
    def _over(self) -> bool:
        """Both have said their last word, and ours has arrived."""
        return self._ended_there and self._ended_here and self._cost_told == self._cost_sent

    async def _take(self) -> None:
        """Tell the other side what the program here has taken."""
        told = 0
        while True:
            await self._came.wait()
            self._came.clear()
            received, last = self._cost_received, self._ended_there
            await self._writer.drain()
            if last and self._writer.can_write_eof():
                self._writer.write_eof()
            self._cost_taken = received
            if received - told >= _TELL or last:
                told = received
                await self._send(self._account())
            if last:
                return

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() - self._heard < _SILENCE_SECONDS:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            await self._send(self._account())
        raise CarrierError("the other side has fallen silent")

    def _account(self) -> Record:
        return Record(TAKEN, _COUNT.pack(self._cost_taken))


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and say that it went wrong, so that nobody takes a part for the whole."""
    with contextlib.suppress(OSError):  # it is gone already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()


async def answer(
    incoming: AsyncIterator[bytes],
    send: Callable[[bytes], Awaitable[None]],
    dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
) -> None:
    """The other end of one carrier, to its end. Raises ``CarrierError`` or ``OSError`` when that is not a good one."""
    decoder = Decoder()
    opening, *early = await asyncio.wait_for(_first(incoming, decoder), _OPEN_SECONDS)
    if opening.kind != OPEN:
        raise CarrierError("it does not say where to")
    (port,) = _PORT.unpack(opening.payload)
    try:
        reader, writer = await dial(port)
    except OSError:
        await send(encode(0, Record(RESET, b"")))
        raise
    try:
        await Carrier(reader, writer, send, decoder=decoder, early=early).run(incoming)
    except BaseException:
        reset(writer)
        raise
    finally:
        writer.close()


async def _first(incoming: AsyncIterator[bytes], decoder: Decoder) -> list[Record]:
    async for data in incoming:
        records = decoder.receive(data)
        if records:
            return records
    raise CarrierError("nothing came")


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
    address: str, port: int, dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
) -> asyncio.AbstractServer:
    """The provider's end: listens on ``address:port`` for carriers, each of which names the port to ``dial``."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            with contextlib.suppress(CarrierError, OSError, asyncio.TimeoutError):
                await answer(_chunks(reader), send, dial)
        finally:
            reset(writer)  # yagna passes on nothing else, and keeps the connection

    return await asyncio.start_server(accept, address, port, limit=LARGEST, backlog=512)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(2 * LARGEST):
        yield data
