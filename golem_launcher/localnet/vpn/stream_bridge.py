"""Bridges one TCP connection of the VPN and one socket: back pressure both ways, half close, reset.

The socket is not read while the connection's send buffer is full; the connection's window closes while the socket
takes nothing. So neither side can make this process hold more than the two limits of ``TcpSettings``.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from struct import pack
from typing import TYPE_CHECKING

from .tcp_types import State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .connection import Connection
    from .packets import TcpFramer

Key = tuple[bytes, int, int]  # the other node's address and port, and our port

_READ = 64 * 1024
_LEAST_ROOM = 32 * 1024  # a reader that was stopped starts again with that much room: fewer changes, fewer wake-ups


class StreamBridge:
    """A connection, its frames, and the socket it is joined to once there is one.

    ``wake`` asks the owner to call ``flush`` soon. ``marked``, ``opening`` and ``opened`` are the owner's notes.
    """

    __slots__ = (
        "_eof_sent", "_framer", "_loop", "_reading", "_sock", "_wake", "_writing",
        "connection", "done", "key", "marked", "opened", "opening",
    )  # fmt: skip

    def __init__(
        self,
        key: Key,
        connection: Connection,
        framer: TcpFramer,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[StreamBridge], None],
    ) -> None:
        self.key = key
        self.connection = connection
        self.marked = False
        self.opening = True
        self.opened: asyncio.Future[None] = loop.create_future()
        self.done = False
        self._framer = framer
        self._sock: socket.socket | None = None
        self._eof_sent = False
        self._loop = loop
        self._wake = wake
        self._reading: socket.socket | None = None
        """While there is room for what it says."""
        self._writing = False

    def attach(self, sock: socket.socket) -> None:
        """From now on the bytes go to and come from ``sock``, which this object closes."""
        sock.setblocking(False)
        self._sock = sock

    def flush(self, now: float) -> list[bytes]:
        """Moves what can be moved; the frames to send now. ``done`` tells when nothing is left to do."""
        connection = self.connection
        if self._sock is not None:
            self._deliver(self._sock)
        build = self._framer.frame
        frames = [build(*outgoing) for outgoing in connection.poll(now)]
        if connection.state is State.CLOSED:
            self._close_socket_once_drained()
        elif connection.state is State.OPEN:
            self._watch()
        elif connection.state is State.TIME_WAIT and self._eof_sent:
            self._release()
        return frames

    def abandon(self, failure: str) -> None:
        """Ends both ends at once."""
        self.connection.abort(failure)
        self._drop()

    def _watch(self) -> None:
        """Reads the socket exactly while there is room for what it says."""
        sender = self.connection.sender
        if self._reading:
            if sender.closing or sender.room <= 0:
                self._stop_reading()
        elif not sender.closing and sender.room >= _LEAST_ROOM and self._sock is not None:
            self._loop.add_reader(self._sock, self._readable, self._sock)
            self._reading = self._sock

    def _readable(self, sock: socket.socket) -> None:
        connection = self.connection
        try:
            data = sock.recv(min(_READ, connection.sender.room))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abandon("the program reset the connection")
        else:
            now = self._loop.time()
            if data:
                connection.write(data, now)
            else:
                connection.close(now)
                self._stop_reading()
        self._wake(self)

    def _deliver(self, sock: socket.socket) -> None:
        """Gives the socket what came, and the end once all is given."""
        connection = self.connection
        receiver = connection.receiver
        try:
            if receiver.ready:
                connection.take(sock.send(receiver.ready))
            if receiver.finished and not receiver.ready and not self._eof_sent:
                self._eof_sent = True
                sock.shutdown(socket.SHUT_WR)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # the program went away without reading all
            self.abandon("the program closed the connection")
            return
        if bool(receiver.ready) != self._writing:
            self._writing = bool(receiver.ready)
            if self._writing:
                self._loop.add_writer(sock, self._wake, self)
            else:
                self._loop.remove_writer(sock)

    def _close_socket_once_drained(self) -> None:
        """The connection is over: the socket stays only while it has bytes to take."""
        if self._sock is None:
            self.done = True
        elif self.connection.failure or (self._eof_sent and not self.connection.receiver.ready):
            self._drop()
        else:
            self._stop_reading()

    def _drop(self) -> None:
        self.done = True
        self._release()

    def _release(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._reading:
            self._loop.remove_reader(sock)
        if self._writing:
            self._loop.remove_writer(sock)
        self._reading, self._writing = None, False
        if self.connection.failure:  # the program shall see a reset, not an end
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        sock.close()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._loop.remove_reader(self._reading)
            self._reading = None
