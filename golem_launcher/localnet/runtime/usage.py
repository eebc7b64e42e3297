"""Measures what an activity uses: its process tree from /proc, its directory on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from golem_launcher.localnet.runtime.memory_limit import relieve

_log = logging.getLogger(__name__)
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 512
_DISK_SECONDS = 30.0


@dataclass(frozen=True)
class ActivityUsage:
    """Consumed so far (``cpu_seconds``) and now (``memory`` and ``disk``, bytes)."""

    cpu_seconds: float = 0.0
    memory: int = 0
    disk: int = 0


class UsageReader:
    """Reads the usage of one activity: CPU time that never decreases, and the disk every half minute."""

    def __init__(self, directory: Path, memory_bytes: int) -> None:
        """``memory_bytes``: the largest process is killed when all together hold more than that."""
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._last = ActivityUsage()
        self._disk_read = float("-inf")

    async def read(self, pid: int) -> ActivityUsage:
        """The usage of the tree below ``pid``."""
        cpu, memory = of_tree(pid)
        if memory > self._memory_bytes:
            killed = await asyncio.to_thread(relieve, pid, self._memory_bytes)
            if killed is not None:
                _log.info("process %d was killed: its activity held more than %d bytes", killed, self._memory_bytes)
        disk = self._last.disk
        if time.monotonic() - self._disk_read > _DISK_SECONDS:
            self._disk_read = time.monotonic()
            disk = await asyncio.to_thread(of_directory, self._directory)
        self._last = ActivityUsage(max(cpu, self._last.cpu_seconds), memory, disk)
        return self._last


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
