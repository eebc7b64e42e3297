"""One TCP connection of this side, joined to one websocket of yagna's.

Two asyncio protocols that pause each other's reading: what is under way is bounded by the two transports' write
buffers and one read of each. While the local program does not read, nothing is read from yagna either, so its pings
are not seen; pongs that nobody asked for keep the websocket open meanwhile (yagna takes any frame as a sign of life).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from golem_launcher.access import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.tunnel import VpnPort

BUFFER = 128 * 1024
"""Bytes in a write buffer before the other side's reading is paused. asyncio reads at most 256 KiB at a time."""
CONNECT_SECONDS = 30.0
SILENCE_SECONDS = 60.0
"""yagna pings every 5 s: with no sign of life for this long it, or the way to it, is gone."""
LINGER_SECONDS = 10.0
"""A websocket has no half close. After the local end of the stream, the answer may take its time as long as it never
pauses for longer than this; a program that just left looks the same."""
DELIVER_SECONDS = 60.0
"""For what is left in our buffers, once the far side has closed."""

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, on, no seconds


@dataclass
class Meter:
    """What a tunnel counts."""

    bytes_up: int = 0
    bytes_down: int = 0
    errors: int = 0
    last_error: str = ""

    def error(self, why: str) -> None:
        """Count a connection that did not end in good order."""
        self.errors += 1
        self.last_error = why


class Connection:
    """A local connection and its websocket; when one ends, so does the other."""

    def __init__(self, target: VpnPort, meter: Meter, gone: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._target = target
        self._gone = gone
        self.meter = meter
        self.local = _LocalSide(self)
        self.remote = _RemoteSide(self)
        self._opening: asyncio.Task[None] | None = None
        self._closing_since: float | None = None
        self.lingers_since: float | None = None
        """Since when only the far side speaks, or would (seconds on the loop's clock)."""

    def open(self) -> None:
        """The local side is there: reach for the far one. Nothing is read from the local one until then."""
        self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            self.remote.handshake = wire.Handshake(self._target.uri, self._target.app_key)
            await asyncio.wait_for(self._reach(self.remote.handshake), CONNECT_SECONDS)
        except wire.WireError as error:
            self.fail(str(error))
        except asyncio.TimeoutError:
            self.fail("no answer to the upgrade in time")
        except OSError as error:
            self.fail(f"yagna can't be reached ({error.strerror or error})")

    async def _reach(self, handshake: wire.Handshake) -> None:
        await self._loop.create_connection(lambda: self.remote, handshake.host, handshake.port)
        await self.remote.opened
        self.local.resume_reading()

    def local_ended(self) -> None:
        """The local program has written all it had to write, or left."""
        self.lingers_since = self._loop.time()

    def delivered(self, data: list[bytes]) -> None:
        """The far side sent something."""
        if self.lingers_since is not None:
            self.lingers_since = self._loop.time()
        self.meter.bytes_down += self.local.write(data)

    def finish(self) -> None:
        """The far side closed in good order: deliver what is left, then close."""
        self._end(reset=False)

    def fail(self, why: str) -> None:
        """The far side did not: reset the local connection, so that nobody takes a part for the whole."""
        if self._closing_since is None:
            self.meter.error(why)
        self._end(reset=True)

    def abort(self) -> None:
        """End both at once."""
        self._end(reset=True)
        self.local.close(reset=True)  # also when it was being closed the slow way

    def tick(self, now: float) -> None:
        """A few seconds passed: say that we live where it could be doubted, look for the dead."""
        if self._closing_since is not None:
            if now - self._closing_since > DELIVER_SECONDS:
                self.abort()
        elif self.remote.reading_paused:
            self.remote.sign_of_life()
        elif self.lingers_since is not None and now - self.lingers_since > LINGER_SECONDS:
            self.abort()
        elif self.remote.alive and now - self.remote.heard > SILENCE_SECONDS:
            self.fail(f"no sign of life from yagna for {SILENCE_SECONDS:.0f} s")

    def _end(self, *, reset: bool) -> None:
        if self._closing_since is not None:
            return
        self._closing_since = self._loop.time()
        if self._opening is not None:
            self._opening.cancel()
        self.local.close(reset=reset)
        self.remote.close()

    def side_gone(self) -> None:
        """One of the transports is gone for good; the other follows."""
        if self.local.transport is not None:
            return
        self.abort()
        if self.remote.transport is None:
            self._gone(self)

    async def gone(self) -> None:
        """Wait for what is left of the attempt to connect."""
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)


class _LocalSide(asyncio.Protocol):
    """Towards the program on this machine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(BUFFER)
        self.transport.pause_reading()
        self._connection.open()

    def data_received(self, data: bytes) -> None:
        self._connection.remote.write(data)

    def eof_received(self) -> bool:
        self._connection.local_ended()
        return True  # the other direction stays open

    def pause_writing(self) -> None:
        self._connection.remote.pause_reading()

    def resume_writing(self) -> None:
        self._connection.remote.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        self._connection.side_gone()

    def pause_reading(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        ended = self._connection.lingers_since is not None  # to resume would report the end once more
        if self.transport is not None and not self.transport.is_closing() and not ended:
            self.transport.resume_reading()

    def write(self, pieces: list[bytes]) -> int:
        if self.transport is None or self.transport.is_closing():
            return 0
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.transport.write(data)
        return len(data)

    def close(self, *, reset: bool) -> None:
        if self.transport is None:
            return
        if reset:
            with contextlib.suppress(OSError):
                raw = self.transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self.transport.abort()
        else:
            self.transport.close()


class _RemoteSide(asyncio.Protocol):
    """Towards yagna."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._frames = wire.FrameReader()
        self._last_ping: bytes | None = None
        self._writing_paused = False
        self.handshake: wire.Handshake | None = None
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.transport: asyncio.Transport | None = None
        self.reading_paused = False
        self.heard = self._loop.time()

    @property
    def alive(self) -> bool:
        """Whether the websocket is open."""
        return self.transport is not None and self.opened.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(BUFFER)
        assert self.handshake is not None
        self.transport.write(self.handshake.request)

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        if self.opened.cancelled():
            return
        try:
            if not self.opened.done():
                assert self.handshake is not None
                rest = self.handshake.receive(data)
                if rest is None:
                    return
                self.opened.set_result(None)
                data = rest
            received = self._frames.receive(data)
        except wire.WireError as error:
            self._connection.fail(str(error))
            return
        if received.payload:
            self._connection.delivered(received.payload)
        if received.pings:
            self._last_ping = received.pings[-1]  # the protocol asks for an answer to the latest only
            if not self._writing_paused:
                self._answer_ping()
        if received.closed is not None:
            self._connection.finish()

    def eof_received(self) -> None:
        if self.opened.done():
            self._connection.finish()
        else:
            self._connection.fail("yagna hung up")

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._connection.local.pause_reading()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._last_ping is not None:
            self._answer_ping()
        if self.opened.done():
            self._connection.local.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if error is not None:
            self._connection.fail(f"the connection to yagna broke ({error})")
        elif not self.opened.done():
            self._connection.fail("yagna hung up")
        self._connection.side_gone()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._connection.meter.bytes_up += len(data)
            self.transport.write(b"".join(wire.binary(data)))

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.reading_paused = False
        self.heard = self._loop.time()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def sign_of_life(self) -> None:
        if self.transport is not None and not self._writing_paused:
            self.transport.write(wire.pong())

    def close(self) -> None:
        if self.transport is None:
            return
        if self.alive and not self.transport.get_write_buffer_size():
            self.transport.write(wire.close())
        # What the kernel took is still sent; what it did not take is for nobody any more.
        self.transport.abort()

    def _answer_ping(self) -> None:
        if self.transport is not None and self._last_ping is not None:
            self.transport.write(wire.pong(self._last_ping))
        self._last_ping = None
