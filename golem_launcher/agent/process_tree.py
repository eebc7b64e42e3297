"""Reads the process tree below one of ours from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple

_SUBREAPER = 36
_PARENT_DEATH = 1
_PAUSE_SECONDS = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """One line of ``ps``."""

    pid: int
    parent: int
    session: int
    zombie: bool
    cpu_seconds: float
    """Its own and that of the children it has waited for."""


def clock() -> float:
    """Seconds that also pass while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, so that none is lost. Without effect where unsupported."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - some builds of Python lack it

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """In a new process: it gets SIGTERM when its parent dies. Without effect where unsupported."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM, 0, 0, 0)


def descendants(root: int) -> list[Process]:
    """All processes below ``root``, without it."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = read(int(name))
            if process is not None:
                children.setdefault(process.parent, []).append(process)
    found = []
    waiting = [root]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def read(pid: int) -> Process | None:
    """The process with this id; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # its name may hold anything
    except OSError:
        return None
    cpu = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    return Process(pid, int(fields[1]), int(fields[3]), fields[0] in b"ZX", cpu)


def own_memory(pid: int) -> int:
    """Bytes that a process has for itself: what it shares with others would count many times."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE if len(fields) > 2 else 0  # noqa: PLR2004 - size resident shared


def kill_below(root: int, seconds: float) -> bool:
    """Kill all processes below ``root``, those they make meanwhile too; whether all are gone."""
    end = time.monotonic() + seconds
    while True:
        left = [process.pid for process in descendants(root) if not process.zombie]
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        reap()
        if not left or time.monotonic() > end:
            return not left
        time.sleep(_PAUSE_SECONDS)


def reap() -> dict[int, int]:
    """Wait for the children that have ended; their exit codes, negative for a signal."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return ended
