"""One connection to the bus: frames in and out with few system calls.

Nearly all frames are those of a VPN, 1.4 KiB each, several in one turn of the event loop: what is sent in one turn
leaves in one write, because a write each cost half of all the CPU that a download took here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Final

from golem_launcher.errors import BusClosed, BusProtocolError
from golem_launcher.node.gsb import frames, packets

SEND_LIMIT: Final = 4 * 1024 * 1024
"""Unsent bytes from which a connection counts as full."""
_SEND_RESUME: Final = 1024 * 1024
_TOGETHER: Final = 64 * 1024  # bytes that may wait for the end of a turn of the event loop
_BUFFER: Final = 256 * 1024  # bytes read at once; grows to hold a bigger frame, and shrinks again
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class FrameConnection(asyncio.BufferedProtocol):
    """Cuts a byte stream into frames; subclasses override :meth:`frame_received` and :meth:`connection_ended`.

    A buffered protocol reads into one buffer of its own, without a task or an allocation per read. TCP_NODELAY keeps
    small frames from waiting for each other; TCP_QUICKACK keeps a peer that lacks it from waiting for our
    acknowledgements (Linux forgets that option after a while, so it is set anew after each read that is not answered).
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._buffer = bytearray(_BUFFER)
        self._start = self._end = 0
        self._full = False
        self._room: asyncio.Future[None] | None = None
        self._broken: BusProtocolError | None = None
        self.bytes_received = 0
        self.bytes_sent = 0

    # What subclasses say

    def frame_received(self, frame: bytes) -> None:
        """One whole frame, prefix included. A :class:`BusProtocolError` ends the connection."""
        raise NotImplementedError

    def connection_ended(self, error: Exception | None) -> None:
        """Called once, when the connection is gone; ``error`` says why, when it was not asked for."""

    def room_again(self) -> None:
        """The send buffer fell below its limit."""

    def no_room(self) -> None:
        """The send buffer is over its limit."""

    # What subclasses and owners use

    @property
    def open(self) -> bool:
        """Whether frames can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def full(self) -> bool:
        """Whether more than :data:`SEND_LIMIT` bytes wait to be taken by the other side."""
        return self._full

    @property
    def unsent(self) -> int:
        """Bytes that wait to be taken by the other side."""
        return self._gathered_bytes + self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, frame: bytes) -> None:
        """Send a frame, soon or as soon as there is room; into the void when the connection is closing."""
        if self._transport is None:
            return
        self.bytes_sent += len(frame)
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered.append(frame)
        self._gathered_bytes += len(frame)
        if self._gathered_bytes > _TOGETHER:
            self._flush()

    def reply(self, request_id: str, code: int, data: bytes, *, partial: bool = False) -> None:
        """Send a reply to a call; a failure in its place when it is too big."""
        try:
            frame = frames.encode(packets.CallReply(request_id, code, int(partial), data))
        except BusProtocolError as error:
            frame = frames.encode(packets.CallReply(request_id, packets.FAILURE, 0, str(error).encode()))
        self.send(frame)

    async def drained(self) -> None:
        """Wait for room in the send buffer; :class:`BusClosed` when the connection ends before."""
        while self._full:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)
        if not self.open:
            raise BusClosed("The connection to the bus ended.")

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - reads as what it does
        """Stop reading, so that the other side has to wait, or go on."""
        if self._transport is not None and not self._transport.is_closing():
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """End the connection after what was sent has left."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._forget()
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: set the socket's buffers and options."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=SEND_LIMIT, low=_SEND_RESUME)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = connection if _QUICKACK is not None else None
            self._acknowledge()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Room for the next read."""
        if self._end == len(self._buffer):
            self._make_room()
        return memoryview(self._buffer)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Cut out the frames that are whole now."""
        self._end += nbytes
        self.bytes_received += nbytes
        buffer, position, end = self._buffer, self._start, self._end
        length = 0
        try:
            while end - position >= frames.LENGTH_BYTES:
                length = frames.LENGTH_BYTES + frames.frame_length(buffer, position)
                after = position + length
                if after > end:
                    break
                with memoryview(buffer) as view:
                    frame = bytes(view[position:after])
                position = after
                self.frame_received(frame)
        except BusProtocolError as error:
            self._start = self._end = 0
            self._broken = error
            self.abort()
            return
        if position == end:
            position = end = 0
            if length < _BUFFER < len(buffer):  # after a big frame the next one may be big, too
                self._buffer = bytearray(_BUFFER)
        self._start, self._end = position, end
        if not self._gathered:  # else what was answered carries the acknowledgement
            self._acknowledge()

    def pause_writing(self) -> None:
        """The send buffer is over its limit."""
        self._full = True
        self.no_room()

    def resume_writing(self) -> None:
        """The send buffer has room again."""
        self._full = False
        self._wake()
        self.room_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: every call that waits for a reply fails."""
        self._full = False
        self._forget()
        self._wake()
        self.connection_ended(self._broken or exc)

    def _flush(self) -> None:
        """Hand on what was gathered in this turn."""
        gathered, size = self._gathered, self._gathered_bytes
        if not gathered or self._transport is None:
            return
        self._forget()
        if size > _TOGETHER:  # one of them is large: not copied
            for frame in gathered:
                self._transport.write(memoryview(frame))  # asyncio would copy what can't leave at once twice
        else:
            self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def _forget(self) -> None:
        self._gathered = []
        self._gathered_bytes = 0

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _acknowledge(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the socket may be gone already
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _make_room(self) -> None:
        """Move the started frame to the front; double the buffer while the frame is bigger and data really comes."""
        waiting = self._end - self._start
        if self._start:
            with memoryview(self._buffer) as view:  # where it is: a new buffer's pages are the system's to clear
                view[:waiting] = view[self._start : self._end]
        else:
            fresh = bytearray(min(2 * len(self._buffer), frames.LARGEST_FRAME + _BUFFER))
            fresh[:waiting] = self._buffer
            self._buffer = fresh
        self._start, self._end = 0, waiting
