"""Measures the rates of the tunnel and of bulk transfers, to choose the faster for a given size.

A transfer costs a while of its own and is fast then; the tunnel begins at once. How much either is differs a
hundredfold between lines, so nothing here is fixed but the first guess.
"""

from __future__ import annotations

import math

_TUNNEL_RATE = 3.5e6
"""Bytes a second by yagna's VPN on a good line."""
_TUNNEL_SECONDS = 0.05
_SMALL = 32 * 1024
_BULK_RATE = 100e6
_BULK_SECONDS = 0.5
_WEIGHT = 0.7
"""Of what was seen last, against all before."""
_LEAST_PATIENCE = 1.5
_MOST_PATIENCE = 60.0


class Throughput:
    """The rates of one provider's tunnel and transfers, as measured so far."""

    def __init__(self) -> None:
        self._tunnel_rate = _TUNNEL_RATE
        self._tunnel_seconds = _TUNNEL_SECONDS
        self._bulk_rate = _BULK_RATE
        self._bulk_seconds = _BULK_SECONDS

    def tunnel(self, size: float) -> float:
        """How long so many bytes take by the tunnel, in seconds, probably."""
        return self._tunnel_seconds + size / self._tunnel_rate

    def bulk(self, size: float) -> float:
        """How long they take by a file transfer."""
        return self._bulk_seconds + size / self._bulk_rate

    def prefers_bulk(self, size: float) -> bool:
        """Whether a transfer is the faster way."""
        return self.bulk(size) < self.tunnel(size)

    def worth_a_transfer(self) -> float:
        """Twice the bytes from which on a transfer is the faster way; infinite where it never is."""
        gained = 1 / self._tunnel_rate - 1 / self._bulk_rate
        return 2 * max(self._bulk_seconds - self._tunnel_seconds, 0.0) / gained if gained > 0 else math.inf

    def patience(self, size: float) -> float:
        """How long to wait for the tunnel until a transfer is worth beginning all the same."""
        return min(max(2 * self.tunnel(size), self.bulk(size), _LEAST_PATIENCE), _MOST_PATIENCE)

    def tunnel_took(self, size: float, seconds: float) -> None:
        """Learn from ``size`` bytes that went through the tunnel, either way, in ``seconds``."""
        correction = _correction(seconds, self.tunnel(size))
        if size < _SMALL and seconds < _LEAST_PATIENCE:  # of which the way there and back is the most
            self._tunnel_seconds *= correction
        else:
            self._tunnel_rate /= correction

    def bulk_took(self, size: float, seconds: float) -> None:
        """Correct the estimate by a bulk transfer of ``size`` bytes that took so many seconds."""
        correction = _correction(seconds, self.bulk(size))
        self._bulk_seconds *= correction
        self._bulk_rate /= correction

    def bytes_by_tunnel(self, seconds: float) -> float:
        """How many bytes the tunnel is expected to carry in so many seconds."""
        return seconds * self._tunnel_rate

    def bytes_by_bulk(self, seconds: float) -> float:
        """How many bytes one bulk transfer is expected to carry in so many seconds; its start-up counts."""
        return max(seconds - self._bulk_seconds, 0.0) * self._bulk_rate


def _correction(took: float, expected: float) -> float:
    return math.pow(max(took, 1e-3) / expected, _WEIGHT)
