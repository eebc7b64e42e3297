"""Measures a process tree from /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 512


@dataclass(frozen=True)
class ActivityUsage:
    """Consumed so far (``cpu_seconds``) and now (``memory`` and ``disk``, bytes)."""

    cpu_seconds: float = 0.0
    memory: int = 0
    disk: int = 0


def of_tree(root: int) -> tuple[float, int]:
    """CPU seconds of the process ``root`` and all below it, the ended ones included, and the bytes they occupy.

    Each process's own time and that of the children it waited for add up to the whole: the tree's root is the
    reaper of all orphans.
    """
    ticks = pages = 0
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(field) for field in stat[11:15])  # utime, stime, cutime, cstime: proc(5)
            pages += int(stat[21])
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    waiting += map(int, (task / "children").read_bytes().split())
    return ticks / _TICKS, pages * _PAGE


def of_directory(directory: Path) -> int:
    """Bytes that the files below ``directory`` occupy, hard links counted once, links not followed. Blocking."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - a Path per file costs most of the walk
                if found.st_nlink == 1 or (found.st_dev, found.st_ino) not in seen:
                    seen.add((found.st_dev, found.st_ino))
                    total += found.st_blocks * _BLOCK
    return total
