"""One end of a TCP connection carried through Golem's VPN; used by the launcher's tunnel and by the agent.

How it travels is said in tcp_carrier_protocol.py. Both ends send signs of life, often while bytes move and seldom while
none do: a connection whose other end is gone without a word (a crash, a laptop on another network) is noticed by them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, Protocol

from .loop_yielding import LoopTurns
from .tcp_carrier_protocol import (
    COUNT,
    DATA,
    END,
    LARGEST,
    OPEN,
    RESET,
    TAKEN,
    WINDOW,
    CarrierError,
    Decoder,
    Record,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

_TELL = WINDOW // 4
_TICK_SECONDS = 10.0
"""Between two signs of life of a busy connection, and two looks at the other end's."""
_SELDOM = 3
"""Ticks between two signs of life of an idle one."""
_IDLE_TICKS = 6
"""A connection is idle when no bytes moved for so many."""
_SILENT_TICKS = 3
"""So many missing signs of life mean that the other end is gone."""
_RESET_SECONDS = 1.0
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


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
        """End this direction: the other side reads an end of file."""

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""


class Carrier:
    """One end: ``reader`` and ``writer`` are the connection carried, ``send`` puts one record's bytes on the way.

    Both have said a word before, which the other has read: the user's side the port, the provider's that it is
    connected to it. Hence the ``decoder``, and the ``early`` records that came along.
    """

    def __init__(
        self,
        reader: Source,
        writer: Sink,
        send: Callable[[bytes], Awaitable[None]],
        decoder: Decoder,
        early: Sequence[Record] = (),
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._send_bytes = send
        self._decoder = decoder
        self._early = early
        self._sending = asyncio.Lock()
        self._number = 1
        self._cost_sent = self._cost_told = 0
        self._cost_received = self._cost_taken = 0
        self._room = asyncio.Event()
        self._came = asyncio.Event()
        self._ended_here = self._ended_there = False
        self._heard = True
        """Whether anything came since the last tick."""
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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

    def give_up(self) -> None:
        """End it with an error: the other end is known to be gone."""
        if not self._given_up.done():
            self._given_up.set_result(None)

    async def _send(self, record: Record | None = None) -> None:
        """``None``: how much was taken, counted when it leaves: an account must not fall behind an earlier one."""
        async with self._sending:
            record = record or Record(TAKEN, COUNT.pack(self._cost_taken))
            number, self._number = self._number, self._number + 1
            self._cost_sent += record.cost
            await self._send_bytes(encode(number, record))

    async def _outward(self) -> None:
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
        for record in self._early:
            self._accept(record)
        turns = LoopTurns()
        async for data in incoming:
            self._heard = True
            for start in range(0, len(data), LARGEST):  # it may be full of records that say nothing
                for record in self._decoder.receive(data[start : start + LARGEST]):
                    self._accept(record)
                await turns.others()
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
            (told,) = COUNT.unpack(record.payload)
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
                await self._send()
            if last:
                return

    async def _live(self) -> None:
        """Send signs of life and count the other end's missing ones; ends with an error alone.

        It counts ticks, not seconds: who sleeps, as a laptop does, wakes to what came meanwhile before it counts on.
        """
        sign: asyncio.Future[None] | None = None
        moved, idle, silent, tick = 0, 0, 0, 0
        try:
            while True:
                await asyncio.wait({self._given_up}, timeout=_TICK_SECONDS)
                if self._given_up.done():
                    raise CarrierError("the way there was given up")
                was_busy = idle < _IDLE_TICKS
                idle = 0 if moved != self.sent + self.received else idle + 1
                moved = self.sent + self.received
                busy = idle < _IDLE_TICKS
                silent = 0 if self._heard or busy != was_busy else silent + 1
                self._heard = False
                if silent >= _SILENT_TICKS * (1 if busy else _SELDOM):
                    raise CarrierError("the other side has fallen silent")
                tick += 1
                if sign is not None and sign.done():
                    sign.result()
                if (busy or tick % _SELDOM == 0) and (sign is None or sign.done()):
                    sign = asyncio.ensure_future(self._send())  # it may find no room for long
        finally:
            if sign is not None:
                await _end(sign)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and say that it went wrong, so that nobody takes a part for the whole."""
    with contextlib.suppress(OSError):  # it is gone already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()
