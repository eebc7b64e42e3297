"""Loopback addresses for what a run of tests starts: no other run has them, and neither has the launcher."""

import itertools
import os

_last_bytes = itertools.cycle(range(1, 255))


def own_address():
    """Another one each time, for the next 254 times. Those from 127.64 on are the launcher's."""
    run = os.getpid()
    return f"127.{1 + run // 250 % 63}.{run % 250}.{next(_last_bytes)}"
