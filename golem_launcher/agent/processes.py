"""The processes of a session, by /proc: who descends from the guard, what they use, and how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT, _UTIME, _STIME, _CUTIME, _CSTIME, _RSS = 1, 11, 12, 13, 14, 21  # fields after the name, proc_pid_stat(5)


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    state: str
    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Usage:
    """What some processes have used: seconds of CPU in all, bytes of memory now."""

    cpu_seconds: float
    memory_bytes: int


def usage(root: int) -> Usage:
    """What ``root`` and its descendants use."""
    family = [process for process in (_read(root), *descendants(root)) if process is not None]
    return Usage(sum(each.cpu_seconds for each in family), sum(each.memory_bytes for each in family))


def descendants(root: int) -> list[_Process]:
    """Every living descendant of ``root``."""
    children: dict[int, list[_Process]] = {}
    for entry in Path("/proc").iterdir():
        process = _read(int(entry.name)) if entry.name.isdigit() else None
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[_Process] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found


def end_descendants(root: int, *, grace: float) -> None:
    """SIGTERM to all descendants of ``root``, ``grace`` seconds, then SIGKILL until none is left."""
    _signal(root, signal.SIGTERM)
    end = time.monotonic() + grace
    while _alive(root) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    while _alive(root):
        _signal(root, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _alive(root: int) -> list[_Process]:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return [process for process in descendants(root) if process.state != "Z"]


def _signal(root: int, number: int) -> None:
    for process in descendants(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _read(pid: int) -> _Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything: the fields begin after the last of them.
    state, *fields = text[text.rindex(")") + 2 :].split()
    numbers = [0, *map(int, fields)]
    ticks = sum(numbers[index] for index in (_UTIME, _STIME, _CUTIME, _CSTIME))
    return _Process(pid, numbers[_PARENT], state, ticks / _TICKS, numbers[_RSS] * _PAGE)
