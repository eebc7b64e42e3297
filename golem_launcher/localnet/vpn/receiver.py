"""The receiving half of a TCP connection: puts segments in order and says how much more it takes. No I/O, no clock.

Positions are plain integers that never wrap, as in ``sender``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How much a receiver holds."""

    limit: int = 256 * 1024  # bytes in order that nobody took yet, and the widest window announced
    pieces: int = 512  # out of order: each costs an object, so a peer that sends single bytes is bounded too


class Receiver:
    """The bytes of one direction, from the peer until ``take``."""

    def __init__(self, settings: ReceiveSettings) -> None:
        self._settings = settings
        self.ready = bytearray()  # in order, not yet taken
        self.next = 1  # the position expected next
        self._edge = 1 + settings.limit  # one beyond the last position the peer may send
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

    def window(self) -> int:
        """The window to announce now, in bytes. What was once allowed stays allowed."""
        self._edge = max(self._edge, self.next + self._settings.limit - len(self.ready))
        return self._edge - self.next

    def opened(self, announced: int, mss: int) -> bool:
        """Whether so much room came free since the window ``announced`` (the edge, as a position) that it is news."""
        free = self.next + self._settings.limit - len(self.ready)
        return free - announced >= min(self._settings.limit // 2, 8 * mss)

    def accept(self, position: int, payload: bytes, *, fin: bool) -> bool:
        """Takes a segment's bytes; True when it was the expected one and nothing is missing."""
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
            self._keep(position, payload)
        if self.next == self._fin:
            self.next += 1
            self.finished = True
            self._pieces.clear()
        return expected

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

    def _keep(self, position: int, payload: bytes) -> None:
        """Keeps what lies between what is kept already; the first copy of a byte wins."""
        if len(self._pieces) >= self._settings.pieces:
            return
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
                return
            if following > position:
                self._pieces.insert(at, (position, payload[: following - position]))
                at += 1
            skip = following + len(self._pieces[at][1]) - position
            position, payload = position + skip, payload[skip:]
            at += 1
