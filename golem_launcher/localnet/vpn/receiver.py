"""The receiving half of a TCP connection: reorders segments and announces the window. No I/O, no clock.

Positions are plain integers that never wrap, as in ``sender``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum

LARGEST_WINDOW = 0xFFFF
LARGEST_SCALE = 14  # RFC 7323
_DEFAULT_MSS = 536


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How much a receiver holds."""

    limit: int = 256 * 1024  # bytes in order that nobody took yet, and the widest window announced
    pieces: int = 512  # out of order: each costs an object, so a peer that sends single bytes is bounded too

    @property
    def scale(self) -> int:
        """The window scale to offer: the finest that can say ``limit``."""
        return min(max(self.limit.bit_length() - LARGEST_WINDOW.bit_length(), 0), LARGEST_SCALE)


class Arrival(Enum):
    """What a segment brought."""

    NEXT = "next"  # what was expected, and nothing is missing
    GAP = "gap"  # news, but something is missing, or was missing before it came
    OLD = "old"  # nothing new


class Receiver:
    """The bytes of one direction, from the peer until ``take``."""

    def __init__(self, settings: ReceiveSettings) -> None:
        self._settings = settings
        self.ready = bytearray()  # in order, not yet taken
        self.next = 1  # the position expected next
        self._edge = 1 + min(settings.limit, LARGEST_WINDOW)  # one beyond the last position the peer may send
        self.agree(_DEFAULT_MSS, 0)
        self._pieces: list[tuple[int, bytes]] = []  # out of order, sorted, without overlap
        self._fin: int | None = None
        self.finished = False  # all came, and the FIN

    @property
    def edge(self) -> int:
        """One beyond the last position that is taken."""
        return self._edge

    @property
    def waiting(self) -> bool:
        """Something is missing before what already came."""
        return bool(self._pieces) or (self._fin is not None and not self.finished)

    def agree(self, mss: int, scale: int) -> None:
        """The handshake is done: windows are told in units of ``2**scale`` bytes, segments hold ``mss`` at most."""
        self._scale = scale
        self._limit = min(self._settings.limit, LARGEST_WINDOW << scale)
        self._step = max(min(self._limit // 2, mss), 1)
        self._news = max(min(self._limit // 2, 8 * mss), 1)

    def window(self) -> int:
        """The window to announce now, in the agreed units.

        What was once allowed stays allowed, so a part of a unit is told as a whole one while there is room for it; more
        is allowed only once that is worth a segment (the receiver's side of the silly window syndrome, RFC 9293).
        """
        free = self.next + self._limit - len(self.ready)
        if free - self._edge >= self._step:
            self._edge = free
        units = -(-(self._edge - self.next) >> self._scale)
        edge = self.next + (units << self._scale)
        if edge <= max(free, self._edge):
            self._edge = edge
            return units
        return (self._edge - self.next) >> self._scale

    @property
    def shut(self) -> bool:
        """Whether the peer was last told of less room than a segment needs: it may be waiting for more."""
        return self._edge - self.next < self._step

    @property
    def opened(self) -> bool:
        """Whether so much room came free since the last announcement that it is news."""
        return self.next + self._limit - len(self.ready) - self._edge >= self._news

    def accept(self, position: int, payload: bytes, *, fin: bool) -> Arrival:
        """Takes a segment's bytes."""
        before = self.next
        news = False
        expected = position == self.next and not self._pieces
        end = position + len(payload)
        if fin and self._fin is None and end < self._edge + 1:
            self._fin = end
        if self._fin is not None and end > self._fin:
            payload = payload[: max(self._fin - position, 0)]  # nothing comes after the end
            end = position + len(payload)
        if end > self._edge:
            payload = payload[: max(self._edge - position, 0)]
            end = position + len(payload)
        if position <= self.next:
            if end > self.next:
                self.ready += payload[self.next - position :]
                self.next = end
            if self._pieces:
                self._drain()
        elif payload:
            news = self._keep(position, payload)
        if self.next == self._fin:
            self.next += 1
            self.finished = True
            self._pieces.clear()
        if expected:
            return Arrival.NEXT
        return Arrival.GAP if news or self.next > before else Arrival.OLD

    def take(self, size: int) -> None:
        """The first ``size`` bytes of ``ready`` were handed on."""
        del self.ready[:size]

    def _drain(self) -> None:
        used = 0
        for position, payload in self._pieces:
            if position > self.next:
                break
            used += 1
            if position + len(payload) > self.next:
                self.ready += payload[self.next - position :]
                self.next = position + len(payload)
        del self._pieces[:used]

    def _keep(self, position: int, payload: bytes) -> bool:
        """Keeps what lies between what is kept already, the first copy of a byte; whether that was anything."""
        if len(self._pieces) >= self._settings.pieces:
            return False
        news = False
        at = bisect_left(self._pieces, (position, b""))
        if at:
            before, kept = self._pieces[at - 1]
            overlap = before + len(kept) - position
            if overlap > 0:
                position, payload = position + overlap, payload[overlap:]
        while payload:
            following = self._pieces[at][0] if at < len(self._pieces) else None
            if following is None or position + len(payload) <= following:
                self._pieces.insert(at, (position, payload))
                return True
            if following > position:
                self._pieces.insert(at, (position, payload[: following - position]))
                news = True
                at += 1
            skip = following + len(self._pieces[at][1]) - position
            position, payload = position + skip, payload[skip:]
            at += 1
        return news
