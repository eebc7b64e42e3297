"""Supervisors that go, or are killed, and what follows that."""

import os
import signal
import time

from golem_launcher.session.cleanup import leftovers, reaper
from golem_launcher.session.on_disk.liveness import alive, supervisor
from tests.patience import slower

BUSY = 4
"""How many times as long anything may take as on a machine with nothing else to do; by its load, it is more."""


def wait_for_end(directory, seconds):
    """Whether the supervisor goes in time, which is that of a machine with nothing else to do."""
    return _comes(lambda: not alive(directory), seconds)


def kill_supervisor(directory, seconds=15):
    """Kill it, and wait until all that it left is closed down, which takes no command."""
    os.kill(supervisor(directory).pid, signal.SIGKILL)
    assert wait_for_end(directory, 5)
    over = _comes(lambda: directory.state().stage.final and not leftovers.may_cost_more(directory), seconds)
    assert over, directory.supervisor_log.read_text()[-3000:]


def kill_all_of(directory):
    """Kill the supervisor and its reaper, as a computer does that stops: nobody closes anything down."""
    reaper.end(directory)
    os.kill(supervisor(directory).pid, signal.SIGKILL)
    assert wait_for_end(directory, 5)


def _comes(happened, seconds):
    end = time.monotonic() + BUSY * seconds * slower()
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
