"""Waiting for supervisors to go."""

import time

from golem_launcher.session.on_disk.liveness import alive

BUSY = 4
"""How much longer anything may take on a machine that is busy."""


def wait_for_end(directory, seconds):
    """Whether the supervisor goes in time, which is that of a machine with nothing else to do."""
    end = time.monotonic() + BUSY * seconds
    while alive(directory):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
