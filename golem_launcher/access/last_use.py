"""When a session was last used by its ways in: what this side passes on it sees itself, whatever a provider says.

Requests that only look are no use, since a page of JupyterLab's that is open asks all the time. Ways that nothing is
known of are used when more goes through them than what keeps a connection alive.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.agent.tcp_carrier import Sink, Source

_LEAST = 1024
_WITHIN_SECONDS = 60.0
"""An ssh connection in which nobody types takes some hundred bytes in that time."""


class LastUse:
    """One session's. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._began, self._moved = self._at, 0

    @property
    def ago(self) -> float:
        """Seconds since the session was last used."""
        return self._clock() - self._at

    def seen(self) -> None:
        """Note that somebody uses the session at this moment."""
        self._at = self._clock()

    def moved(self, size: int) -> None:
        """Count ``size`` bytes that went one way or the other."""
        now = self._clock()
        if now - self._began > _WITHIN_SECONDS:
            self._began, self._moved = now, 0
        self._moved += size
        if self._moved >= _LEAST:
            self._at = now

    def source(self, source: Source) -> Source:
        """The same, and what is read from it is noticed."""
        return _Source(source, self)

    def sink(self, sink: Sink) -> Sink:
        """The sink, wrapped so that whatever is written to it counts as use."""
        return _Sink(sink, self)

    def stream(self, stream: Stream) -> Stream:
        """The stream, wrapped so that whatever goes through it counts as use."""
        return _Stream(stream, self)


class _Source:
    def __init__(self, source: Source, use: LastUse) -> None:
        self._source = source
        self._use = use

    async def read(self, most: int, /) -> bytes:
        data = await self._source.read(most)
        self._use.moved(len(data))
        return data


class _Sink:
    def __init__(self, sink: Sink, use: LastUse) -> None:
        self.drain = sink.drain
        self.can_write_eof = sink.can_write_eof
        self.write_eof = sink.write_eof
        self.is_closing = sink.is_closing
        self._sink = sink
        self._use = use

    def write(self, data: bytes, /) -> None:
        self._use.moved(len(data))
        self._sink.write(data)


class _Stream:
    def __init__(self, stream: Stream, use: LastUse) -> None:
        self.read = _Source(stream, use).read
        self.drain = stream.drain
        self.write_eof = stream.write_eof
        self.close = stream.close
        self._stream = stream
        self._use = use

    def write(self, data: bytes, /) -> None:
        self._use.moved(len(data))
        self._stream.write(data)
