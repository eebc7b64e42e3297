"""Estimates what a session costs per hour, from what it had cost at several moments of the last minutes."""

from __future__ import annotations

_OF_LATE_SECONDS = 600.0
_AT_LEAST_SECONDS = 20.0
"""It is unknown until so many have passed."""
_STEP_SECONDS = 1.0


class BurnRate:
    """Told the costs of one session in the order of time."""

    def __init__(self) -> None:
        self._recent: list[tuple[float, float]] = []

    def add(self, at: float, cost: float) -> None:
        """At the moment ``at``, in seconds of any clock, it had cost so much."""
        if len(self._recent) > 1 and at - self._recent[-2][0] < _STEP_SECONDS:
            del self._recent[-1]
        self._recent.append((at, cost))
        while self._recent and self._recent[0][0] < at - _OF_LATE_SECONDS:
            del self._recent[0]

    @property
    def per_hour(self) -> float | None:
        """What an hour costs, lately; ``None`` while it is not known."""
        if not self._recent:
            return None
        (began, before), (at, cost) = self._recent[0], self._recent[-1]
        return (cost - before) / (at - began) * 3600 if at - began >= _AT_LEAST_SECONDS else None
