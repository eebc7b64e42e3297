"""An in-process connection: what one side writes, the other reads, without descriptors or copies by the kernel."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.agent.tcp_carrier import Sink, Source

_ROOM = 128 * 1024
_PIECE = 64 * 1024


class Stream(Protocol):
    """A connection to a port of the provider, however it was made. All methods raise ``OSError`` when it breaks."""

    async def read(self, most: int, /) -> bytes:
        """Up to ``most`` bytes; none at the end."""

    def write(self, data: bytes, /) -> None:
        """Send, at once or later."""

    async def drain(self) -> None:
        """Wait until there is room for more."""

    def write_eof(self) -> None:
        """Nothing more comes from here."""

    def close(self) -> None:
        """End both directions at once."""


class Pipe:
    """One direction, with room for ``_ROOM`` bytes and what is written on top of it in one piece."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._ended = self._broken = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def read(self, most: int) -> bytes:
        """Up to ``most`` bytes; none at the end."""
        while not self._parts:
            if self._broken:
                raise ConnectionResetError("the connection broke")
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        part = self._parts.popleft()
        if len(part) > most:
            self._parts.appendleft(part[most:])
            part = part[:most]
        self._held -= len(part)
        if self._held <= _ROOM:
            self._writable.set()
        return part

    def write(self, data: bytes) -> None:
        """Add to what waits to be read."""
        if data and not self._ended and not self._broken:
            self._parts.append(data)
            self._held += len(data)
            self._readable.set()
            if self._held > _ROOM:
                self._writable.clear()

    async def drain(self) -> None:
        """Wait until there is room. Raises ``ConnectionResetError`` when nobody reads any more."""
        await self._writable.wait()
        if self._broken:
            raise ConnectionResetError("the connection broke")

    def can_write_eof(self) -> bool:
        """Always: asked by whoever copies to pipes and sockets alike."""
        return True

    def write_eof(self) -> None:
        """Close the writing side; what waits can still be read."""
        self._ended = True
        self._readable.set()

    def break_off(self) -> None:
        """Close at once; reading and writing raise ``ConnectionResetError`` from now on."""
        self._broken = True
        self._parts.clear()
        self._readable.set()
        self._writable.set()

    def is_closing(self) -> bool:
        """Whether it broke."""
        return self._broken


class DuplexStream:
    """One end of a connection of two pipes, or of any reader and writer. A :class:`Stream`."""

    def __init__(self, reader: Source, writer: Sink, close: Callable[[], object]) -> None:
        self.read = reader.read
        self.write = writer.write
        self.drain = writer.drain
        self.write_eof = writer.write_eof
        self._close = close

    def close(self) -> None:
        """End both directions at once."""
        self._close()


async def join(one: Stream, from_one: bytes, other: Stream, from_other: bytes) -> None:
    """Copy both ways until both have ended, after what came from each before. Raises ``OSError``."""
    ways = [
        asyncio.ensure_future(_copy(from_one, one, other)),
        asyncio.ensure_future(_copy(from_other, other, one)),
    ]
    try:
        await asyncio.gather(*ways)
    finally:
        await cancel_all(*ways)


async def _copy(first: bytes, source: Stream, target: Stream) -> None:
    if first:
        target.write(first)
    while data := await source.read(_PIECE):
        target.write(data)
        await target.drain()
    target.write_eof()
