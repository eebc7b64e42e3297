"""Waiting for supervisors to go."""

import time

from golem_launcher.session.on_disk.liveness import alive
from tests.patience import slower

BUSY = 4
"""How many times as long anything may take as on a machine with nothing else to do; by its load, it is more."""


def wait_for_end(directory, seconds):
    """Whether the supervisor goes in time, which is that of a machine with nothing else to do."""
    end = time.monotonic() + BUSY * seconds * slower()
    while alive(directory):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
