"""Keepalive of a TCP connection, and how long it waits for the last acknowledgement."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tcp_types import TcpSettings


class Silence:
    """The silence of one connection's peer, from ``now`` on."""

    __slots__ = ("_asked", "_heard", "_settings", "moved")

    def __init__(self, settings: TcpSettings, now: float) -> None:
        self._settings = settings
        self._heard = now
        self._asked = 0  # probes without an answer
        self.moved = now
        """When bytes last came or went."""

    def opened(self, now: float) -> None:
        """Called when the connection stands: from now on silence counts."""
        self._heard = self.moved = now

    def ended(self, now: float) -> None:
        """The peer said something that makes sense."""
        self._heard = now
        self._asked = 0

    def deadline(self, *, said_all: bool) -> float:
        """When something is to be done about it. ``said_all``: our own last word was said and acknowledged."""
        probe = self._heard + self._settings.keepalive_idle + self._asked * self._settings.keepalive_interval
        return min(probe, self.moved + self._settings.lonely if said_all else inf)

    def asks(self, now: float) -> bool:
        """Whether the peer is to be asked now if it is there; counted."""
        due = now >= self.deadline(said_all=False)
        self._asked += due
        return due

    def failure(self, now: float, *, said_all: bool) -> str:
        """Why the connection ends now; empty when it does not."""
        if said_all and now >= self.moved + self._settings.lonely:
            return "the peer did not close"
        return "the peer does not answer" if self._asked > self._settings.keepalive_probes else ""
