"""A clock for money and deadlines: it is set once, when the process begins, and never jumps after that.

The system's time of day may be set back or forth under a running session (by NTP, after a sleep, by hand). Judged by
it, an honest bill would look too high, or a term would last an hour more. What passes while the computer sleeps counts.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the computer sleeps; others' does not."""
_began, _at = time.clock_gettime(_CLOCK), datetime.now(timezone.utc)


def now() -> datetime:
    """The time, UTC."""
    return _at + timedelta(seconds=time.clock_gettime(_CLOCK) - _began)
