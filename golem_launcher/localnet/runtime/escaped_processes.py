"""Kills processes that escaped an activity, found by a mark in their environment.

An activity's first process kills all its descendants. Only where that process itself was killed (a program of the
same user may do so, and the kernel when memory ends) can something be left, and it is found by what it inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from golem_launcher.localnet.runtime.runtime_interface import MARK

_ROUNDS = 100
_PAUSE_SECONDS = 0.02


def kill_escaped(mark: str) -> int:
    """Kill every process whose mark begins so; how many were seen. Blocking, about 10 ms when there is none."""
    wanted = f"{MARK}={mark}".encode()
    seen: set[int] = set()
    for _ in range(_ROUNDS):
        found = [pid for pid in _pids() if any(entry.startswith(wanted) for entry in _environment(pid))]
        if not found:
            break
        seen.update(found)
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    return len(seen)


def _pids() -> list[int]:
    me = os.getpid()
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and int(path.name) != me]


def _environment(pid: int) -> list[bytes]:
    try:  # a zombie's is empty
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
