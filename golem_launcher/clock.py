"""The clock for money and deadlines: set once when the process starts, it never jumps afterwards.

The system's time of day may be set back or forth under a running session (by NTP, after a sleep, by hand). Judged by
it, an honest bill would look too high, or a term would last an hour more. What passes while the computer sleeps counts.

Whom we tell a moment goes by the time of day: people, the node, the market. So such a moment is told by :func:`told`,
and told anew when :func:`set_forth` says that the time of day was set.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the computer sleeps; others' does not."""
_LITTLE_SECONDS = 60.0
_began, _at = time.clock_gettime(_CLOCK), datetime.now(UTC)


def now() -> datetime:
    """The time, UTC."""
    return _at + timedelta(seconds=time.clock_gettime(_CLOCK) - _began)


def told(moment: datetime) -> datetime:
    """A moment by this clock, as the system's time of day has it at present."""
    return moment + timedelta(seconds=set_forth())


def set_forth() -> int:
    """By how many whole seconds the time of day was set forth since this process began; negative when it was set back.

    Nothing when it is little: the two clocks go apart a bit by themselves.
    """
    seconds = (datetime.now(UTC) - now()).total_seconds()
    return round(seconds) if abs(seconds) >= _LITTLE_SECONDS else 0


def busyness() -> float:
    """How many tasks wanted each core of this computer in the last minute: above 1, all that it does takes longer."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def since_boot() -> float:
    """Seconds since this computer was started: the same for all processes on it, whatever the time of day."""
    return time.clock_gettime(_CLOCK)
