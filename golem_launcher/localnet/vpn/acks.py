"""Decides when a connection acknowledges: at once, delayed for several segments, or again after a loss.

Sends nothing itself: the connection does, and says here that it did.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tcp_types import TcpSettings

_BULK = 16  # segments without a pause after which a stream counts as bulk
_MOST_DUPLICATES = 8  # acknowledgements that report a gap, in one poll
_PAUSE = 0.1  # seconds of silence after which a stream has paused


class Acks:
    """What is owed to the peer. All times are the connection's."""

    __slots__ = (
        "_challenged", "_reminder", "_settings", "_streak", "acked_to", "at", "duplicates", "remind_at",
    )  # fmt: skip

    def __init__(self, settings: TcpSettings) -> None:
        self._settings = settings
        self.at = inf
        """When the next one is due, unless bytes go out before and carry it."""
        self.duplicates = 0
        """Bare ones that are due now: only such the peer counts, as the report of a gap."""
        self.remind_at = inf
        self.acked_to = 1
        """The position that our last acknowledgement said."""
        self._reminder = 0.0  # until the news of an opened window is told again: yagna's TCP never asks
        self._streak = 0
        self._challenged = -inf

    def window_opened(self, *, was_shut: bool) -> None:
        """There is room again, and the peer is to know."""
        if was_shut:
            self._reminder = self._settings.send.least_timeout
        self.at = 0.0

    def moving(self) -> None:
        """The peer sends: it knows of the window."""
        self._reminder, self.remind_at = 0.0, inf

    def gap(self) -> None:
        """Bytes came that do not join those before."""
        self._streak = 0
        self.duplicates = min(self.duplicates + 1, _MOST_DUPLICATES)

    def arrived(self, now: float, *, quiet: float, position: int, fin: bool) -> None:
        """Bytes came in order up to ``position``, after ``quiet`` seconds."""
        settings = self._settings
        # A short segment is no pause: yagna sends one whenever an acknowledgement finds its buffer just filled, so one
        # acknowledgement for each would call forth more of them.
        if fin or quiet > _PAUSE:
            self._streak = 0
            self.at = now
            return
        self._streak += 1
        if self._streak < _BULK or position - self.acked_to >= settings.ack_every * settings.mss:
            self.at = now
        elif self.at == inf:
            self.at = now + settings.ack_delay

    def challenge(self, now: float, *, always: bool) -> None:
        """Answer what does not fit with what we have; rarely, lest two confused ends answer each other for ever."""
        if always or now - self._challenged >= self._settings.challenge_interval:
            self._challenged = now
            self.duplicates = max(self.duplicates, 1)

    def remind(self, now: float) -> None:
        """Before something is sent: see whether a reminder is due, and when the next one is."""
        if now >= self.remind_at:
            self.at, self.remind_at = now, inf
        if self._reminder and self.at <= now:
            self.remind_at = now + self._reminder
            self._reminder = 2 * self._reminder if self._reminder < self._settings.last_reminder else 0.0

    def sent(self, position: int) -> None:
        """A segment that goes out acknowledges all up to ``position``."""
        self.acked_to = position
        self.at = inf
