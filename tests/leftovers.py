"""No process outlives the run of tests that began it, however that ends: a plugin of pytest, and the program it starts.

Daemons, networks and supervisors are made to outlive who starts them. What a run of tests starts carries its name in
the environment; the program waits until the run is over, or killed, and ends whatever still carries it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

VARIABLE = "GOLEM_LAUNCHER_TEST_RUN"
_ORDERLY_SECONDS, _KILLED_SECONDS = 15.0, 5.0
_POLL_SECONDS = 0.1
_ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Give this run its name, and have a process of its own session wait for its end."""
    os.environ[VARIABLE] = uuid.uuid4().hex
    waiter = subprocess.Popen(
        [sys.executable, "-P", __file__, os.environ[VARIABLE]],
        stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(_ROOT), VARIABLE: ""}, start_new_session=True,
    )  # fmt: skip
    config.add_cleanup(waiter.communicate)  # closes its input: the run is over


def mark() -> dict[str, str]:
    """What belongs into the environment of a program that is given one of its own, so that it ends with this run.

    Nothing where no tests run: benchmarks start such programs, too.
    """
    return {name: os.environ[name] for name in (VARIABLE,) if name in os.environ}


def main(run: str) -> None:
    """Wait until nobody holds the other end of the standard input, then end what ``run`` has left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for number, seconds in ((signal.SIGTERM, _ORDERLY_SECONDS), (signal.SIGKILL, _KILLED_SECONDS)):
        told: set[int] = set()
        until = time.monotonic() + seconds
        while time.monotonic() < until and (left := set(_of(run))):
            for pid in left - told:
                _send(pid, number)
            told |= left
            time.sleep(_POLL_SECONDS)


def _of(run: str) -> Iterator[int]:
    mark = f"{VARIABLE}={run}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:  # it has ended, or is somebody else's
            continue


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main(sys.argv[1])
