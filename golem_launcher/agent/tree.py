"""The tree of processes below one of them, read from /proc."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


class Process(NamedTuple):
    """One process as /proc shows it."""

    pid: int
    parent: int
    state: str
    cpu_seconds: float
    """Its own and those of its children that have ended."""
    resident: int
    """Bytes."""


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, by the system call of that name. Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def below(root: int, *, itself: bool = False) -> list[Process]:
    """The living descendants of ``root``."""
    everyone = _all()
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    found = [everyone[root]] if itself and root in everyone else []
    to_visit = [root]
    while to_visit:
        for process in children.pop(to_visit.pop(), []):
            to_visit.append(process.pid)
            found.append(process)
    return [process for process in found if process.state != "Z"]


def _all() -> dict[int, Process]:
    found = {}
    for entry in os.listdir(_PROC):  # noqa: PTH208 - names are all that is needed, many times
        if not entry.isdigit():
            continue
        try:
            text = (_PROC / entry / "stat").read_text(errors="replace")
        except OSError:  # it has just ended
            continue
        fields = text.rpartition(")")[2].split()  # a name may hold anything
        found[int(entry)] = Process(
            pid=int(entry),
            parent=int(fields[1]),
            state=fields[0],
            cpu_seconds=sum(map(int, fields[11:15])) / _TICKS,
            resident=int(fields[21]) * _PAGE,
        )
    return found
