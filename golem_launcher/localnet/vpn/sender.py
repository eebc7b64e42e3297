"""The sending half of a TCP connection: retransmission and congestion control. No I/O, no clock.

Positions are plain integers that never wrap: 0 is the SYN, 1 the first byte, and the FIN takes one after the last byte.
Times are seconds on the caller's clock. Round-trip estimate and time-out after RFC 6298, fast recovery after RFC 6582
(NewReno), sender's side of the silly window syndrome and zero-window probes after RFC 9293.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class SendSettings:
    """How a sender behaves; seconds and bytes."""

    limit: int = 256 * 1024  # of bytes kept until acknowledged: what a slow peer can make us hold
    least_timeout: float = 0.2  # RFC 6298 says 1 s; a peer that delays its acknowledgements takes up to 0.04 s
    most_timeout: float = 5.0
    first_timeout: float = 1.0
    tries: int = 12  # time-outs in a row before the peer counts as gone; about 45 s
    initial_window: int = 10  # segments (RFC 6928)
    least_window: int = 8  # segments: below it a loss on a short path costs far more than it spares
    backoff: float = 0.7  # of the window that stays after a loss (RFC 9438)


class StreamPiece(NamedTuple):
    """Bytes to put into one segment, at their position; ``fin`` when the stream ends with them."""

    position: int
    payload: bytes
    fin: bool
    last: bool


class Sender:
    """The bytes of one direction, from ``write`` until acknowledged."""

    def __init__(self, mss: int, settings: SendSettings) -> None:
        self._settings = settings
        self._buffer = bytearray()  # from position ``una`` on
        self.una = 1  # oldest position not acknowledged
        self._next = 1  # position to send next; goes back to ``una`` after a time-out
        self._sent = 1  # one beyond the highest position ever sent
        self._window = 0  # nothing leaves before ``open``
        self._fin = False
        self.fin_sent = False
        self.finished = False  # the FIN was acknowledged
        self.retransmissions = 0
        self.agree(mss)
        self._threshold = 1 << 30
        self._duplicates = 0
        self._recover = 0  # in fast recovery until this position is acknowledged
        self._recovering = False
        self._resend = False
        self._smoothed = 0.0
        self._variation = 0.0
        self._timeout = settings.first_timeout
        self._backoff = 0
        self._timed: tuple[int, float] | None = None  # an acknowledgement of this position gives a round-trip time
        self._deadline = inf
        self._probe = False
        self._probes = 0

    @property
    def deadline(self) -> float:
        """When ``expire`` wants to be called; infinity when nothing is awaited."""
        return self._deadline

    @property
    def room(self) -> int:
        """How many bytes ``write`` takes now."""
        return self._settings.limit - len(self._buffer)

    @property
    def closing(self) -> bool:
        """No more bytes will be written."""
        return self._fin

    @property
    def in_flight(self) -> int:
        """Positions sent and not acknowledged."""
        return self._next - self.una

    @property
    def dead(self) -> bool:
        """The peer did not answer for too long."""
        return self._backoff > self._settings.tries

    @property
    def sent(self) -> int:
        """One beyond the highest position ever sent: what an acknowledgement may not exceed."""
        return self._sent

    @property
    def next(self) -> int:
        """The position that a segment without payload carries: one that the peer's window takes."""
        return min(self._sent, self.una + self._window)

    def agree(self, mss: int) -> None:
        """Before anything is sent: the largest payload that both ends take."""
        self.mss = mss
        self._cwnd = self._settings.initial_window * mss

    def open(self, window: int) -> None:
        """The handshake is done and the peer announced its first window."""
        self._window = window

    def write(self, data: bytes) -> None:
        """Takes bytes to send; the caller keeps to ``room``."""
        self._buffer += data

    def close(self) -> None:
        """The stream ends after what was written."""
        self._fin = True

    def handshake_took(self, seconds: float) -> None:
        """The first round-trip time, seen by the handshake."""
        self._measured(seconds)

    def acknowledge(self, position: int, window: int, now: float, *, pure: bool, fresh: bool) -> None:
        """The peer has all before ``position``. ``pure``: no payload came along; ``fresh``: its window is not outdated.

        The caller has checked that ``position`` is not beyond ``sent``.
        """
        if position < self.una:
            return
        self._backoff = 0
        if position > self.una:
            self._window = window
            self._advance(position, now)
        elif fresh and window != self._window:
            self._window = window
            if self.in_flight == 0:
                self._deadline = inf  # a persist timer, if any, starts anew in ``pieces``
        elif pure and self.in_flight:
            self._duplicate()

    def _advance(self, position: int, now: float) -> None:
        acked = position - self.una
        if self._timed is not None and position >= self._timed[0]:
            self._measured(now - self._timed[1])
            self._timed = None
        del self._buffer[:acked]
        self.una = position
        self._next = max(self._next, position)
        self.finished = self._fin and not self._buffer and position == self._sent and self.fin_sent
        if self._recovering and position < self._recover:  # a partial acknowledgement: the next hole is lost too
            self._cwnd = max(self._cwnd - acked + self.mss, self.mss)
            self._resend = True
        elif self._recovering:
            self._recovering = False
            self._cwnd = self._threshold
            self._duplicates = 0
        else:
            self._duplicates = 0
            if self._cwnd < self._threshold:
                self._cwnd += min(acked, 2 * self.mss)
            else:
                self._cwnd += max(self.mss * min(acked, self.mss) // self._cwnd, 1)
            self._cwnd = min(self._cwnd, 4 * self._settings.limit)
        self._deadline = now + self._timeout if self._next > self.una else inf

    def _duplicate(self) -> None:
        self._duplicates += 1
        if self._recovering:
            self._cwnd += self.mss  # a segment left the path
        elif self._duplicates == 3 and self.una >= self._recover:  # noqa: PLR2004 - RFC 5681
            self._lost()
            self._cwnd = self._threshold + 3 * self.mss
            self._recovering = True
            self._resend = True

    def _lost(self) -> None:
        least = self._settings.least_window * self.mss
        self._threshold = max(int(min(self._cwnd, self._sent - self.una) * self._settings.backoff), least)
        self._recover = self._sent
        self._timed = None  # what is sent twice is not timed (Karn)

    def expire(self, now: float) -> None:
        """To be called at ``deadline``: something was lost, or a closed window needs a probe."""
        if now < self._deadline:
            return
        self._backoff += 1
        if self.in_flight:
            if self._backoff == 1:
                self._lost()
            self._timed = None
            self._cwnd = self.mss
            self._next = self.una
            self._recovering = False
            self._recover = self._sent
            self._duplicates = 0
            self.retransmissions += 1
        else:
            self._probe = True
            self._probes += 1
        self._deadline = now + self._backed_off()

    def pieces(self, now: float) -> list[StreamPiece]:
        """What to send now; taken as sent."""
        out: list[StreamPiece] = []
        if self._resend:
            self._resend = False
            self.retransmissions += 1
            out.append(self._again(min(self.mss, self._sent - self.una)))
            self._deadline = now + self._timeout
        end = self.una + len(self._buffer)
        edge = self.una + min(self._cwnd, self._window)
        while self._next < end and self._next < edge:
            size = min(self.mss, end - self._next, edge - self._next)
            if size < self.mss and self._next + size < end and self._next > self.una:
                break  # a window that opened a crack: wait for more, an acknowledgement is on its way
            out.append(self._piece(self._next, size))
            self._took(self._next + size + out[-1].fin, now)
        if self._fin and self._next == end and not self.finished:  # a FIN alone takes no window
            out.append(StreamPiece(end, b"", fin=True, last=True))
            self._took(end + 1, now)
        if self._probe:
            self._probe = False
            if self._next == self.una and self._buffer:
                self._sent = max(self._sent, self.una + 1)
                out.append(self._again(1))
        if self._buffer and self._next == self.una and self._deadline == inf:
            self._deadline = now + self._backed_off()
        return out

    def _again(self, size: int) -> StreamPiece:
        """The oldest bytes, without a FIN that was not sent yet: what ``sent`` does not cover must not leave."""
        piece = self._piece(self.una, size)
        end = piece.position + len(piece.payload)
        return piece._replace(fin=piece.fin and end < self._sent)

    def _piece(self, position: int, size: int) -> StreamPiece:
        start = position - self.una
        payload = bytes(self._buffer[start : start + size])
        last = start + len(payload) == len(self._buffer)
        return StreamPiece(position, payload, self._fin and last, last)

    def _took(self, position: int, now: float) -> None:
        if self._timed is None and position > self._sent:
            self._timed = (position, now)
        self._probes = 0
        self._next = position
        self._sent = max(self._sent, position)
        if self._fin and position > self.una + len(self._buffer):
            self.fin_sent = True
        if self._deadline == inf:
            self._deadline = now + self._backed_off()

    def _measured(self, seconds: float) -> None:
        if self._smoothed == 0:
            self._smoothed, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(self._smoothed - seconds) - self._variation) / 4
            self._smoothed += (seconds - self._smoothed) / 8
        timeout = self._smoothed + 4 * self._variation
        self._timeout = min(max(timeout, self._settings.least_timeout), self._settings.most_timeout)

    def _backed_off(self) -> float:
        return float(min(self._timeout * 2 ** max(self._backoff, self._probes), self._settings.most_timeout))
