"""How long a test waits: as long as on a machine with nothing else to do, and longer the busier this one is."""

from __future__ import annotations

import os


def slower() -> float:
    """How many times as long as there something takes here at present, about; never less than once."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def milliseconds(seconds: float) -> float:
    """So many seconds of a machine with nothing else to do, as Playwright wants them, and as long as they are here."""
    return 1000 * seconds * slower()
