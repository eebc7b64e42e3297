"""What the session uses: its processes by /proc, its disk by statvfs, its limits by the control group."""

from __future__ import annotations

import contextlib
import os
import time

from . import proc

_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def usage(keeper: int, root: str) -> dict[str, float]:
    """Totals of the agent's process tree, in seconds and bytes. Rates are the reader's: two answers and their times."""
    own = proc.read(keeper)
    processes = [*([own] if own else []), *proc.descendants(keeper)]
    disk = os.statvfs(root)
    return {
        "time": time.time(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_seconds": sum(process.cpu_seconds for process in processes),
        "processes": len(processes),
        "memory_bytes": sum(proc.own_memory(process.pid) for process in processes),
        "memory_total_bytes": _memory_total(),
        "disk_free_bytes": disk.f_bavail * disk.f_frsize,
        "disk_total_bytes": disk.f_blocks * disk.f_frsize,
    }


def _memory_total() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CGROUP:
        with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:  # noqa: PTH123
            total = min(total, int(file.read(64)))
    return total
