"""Checks this computer's clock against its own files and against other clocks."""

from __future__ import annotations

import contextlib
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.node.doctor_check import Check, Verdict
from golem_launcher.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "clock"
_DAY = 86400.0
_APART = 30.0
"""Seconds that two clocks may differ: others' tell whole seconds, and their answers take time."""
_TOO_FAR = 300.0
_SET_IT = "Set it (sudo timedatectl set-ntp true): offers, agreements and budgets end by it."


def offline() -> Check:
    """Check the clock without asking anybody: no file of ours may be from the future."""
    now = time.time()
    shown = time.strftime("The clock says %Y-%m-%d %H:%M:%S UTC.", time.gmtime(now))
    if now < Path(__file__).stat().st_mtime - _DAY:
        return Check(NAME, Verdict.FAIL, f"{shown} That is before this program was installed.", _SET_IT)
    ahead = max(_written(paths.home()), default=now) - now
    if ahead > _TOO_FAR:
        said = f"{shown} Files of the launcher were written {duration(ahead)} later: it was set back, or it is slow."
        return Check(NAME, Verdict.WARN, said, _SET_IT)
    return Check(NAME, Verdict.OK, shown)


def compared(ahead: float, whose: str) -> Check:
    """The check's result where this clock is ``ahead`` seconds before another; ``whose`` says which that is."""
    if abs(ahead) <= _APART:
        return Check(NAME, Verdict.OK, f"This computer's clock agrees with {whose}.")
    side = "ahead of" if ahead > 0 else "behind"
    verdict = Verdict.FAIL if abs(ahead) > _TOO_FAR else Verdict.WARN
    return Check(NAME, verdict, f"This computer's clock is {duration(abs(ahead))} {side} {whose}.", _SET_IT)


def ahead_of(header: str | None) -> float | None:
    """How many seconds this clock is ahead of an answer's ``Date``; ``None`` when that says nothing."""
    try:
        return time.time() - parsedate_to_datetime(header or "").timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _written(home: Path) -> Iterator[float]:
    """When things just below the launcher's directory, and its sessions, were written."""
    for place in (home, home / "sessions"):
        with contextlib.suppress(OSError):
            yield from [entry.stat().st_mtime for entry in place.iterdir()]
