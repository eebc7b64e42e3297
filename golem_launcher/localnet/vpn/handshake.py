"""Opens a TCP connection: retransmits the SYN until it is answered, up to a limit."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .packets import ACK, SYN, syn_options
from .receiver import LARGEST_WINDOW
from .tcp_types import Outgoing

if TYPE_CHECKING:
    from .tcp_types import TcpSettings


class Handshake:
    """The opening of one connection, begun at ``now``; with ``asks``, by us."""

    __slots__ = ("_settings", "_started", "_tries", "at", "scales")

    def __init__(self, settings: TcpSettings, now: float, *, asks: bool) -> None:
        self._settings = settings
        self._started = now
        self._tries = 0
        self.at = now if asks else inf
        """When to send our SYN, for the first time or again."""
        self.scales = True
        """Whether windows can be scaled: both SYNs must say so."""

    def begin(self, now: float) -> None:
        """A connection that the peer asked for is wanted."""
        self._started = self.at = now

    @property
    def deadline(self) -> float:
        """When to send the SYN, or to give up."""
        return min(self.at, self._started + self._settings.handshake)

    def late(self, now: float) -> bool:
        """Whether it took too long."""
        return now >= self._started + self._settings.handshake

    def syn(self, seq: int, ack: int | None, now: float) -> Outgoing:
        """Our SYN, which acknowledges the peer's when there is one."""
        settings = self._settings
        self.at = now + settings.send.first_timeout * 2**self._tries
        self._tries += 1
        window = min(settings.receive.limit, LARGEST_WINDOW)  # that of a SYN is never scaled
        options = syn_options(settings.mss, settings.receive.scale if self.scales else -1)
        return Outgoing(seq, ack or 0, SYN if ack is None else SYN | ACK, window, b"", options)

    def took(self, now: float) -> float | None:
        """Seconds from question to answer, when it is known which question was answered."""
        return now - self._started if self._tries == 1 else None
