"""Waiting for supervisors to go."""

import time

from golem_launcher.session import client


def wait_for_end(directory, seconds):
    """Whether the supervisor goes in time."""
    end = time.monotonic() + seconds
    while client.alive(directory):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
