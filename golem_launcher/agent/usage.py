"""What a session uses, measured without any package."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .tree import below


def usage(root: int, directory: str) -> dict[str, Any]:
    """Of the tree of processes from ``root`` down and of the file system of ``directory``.

    ``time`` (seconds since the epoch), ``cpu_seconds`` (of all so far), ``cpus`` (that may be used), ``processes``,
    ``memory_used``, ``memory_total``, ``disk_used``, ``disk_total`` (bytes; of the whole file system).
    """
    processes = below(root, itself=True)
    disk = os.statvfs(directory)
    return {
        "time": time.time(),
        "cpu_seconds": round(sum(process.cpu_seconds for process in processes), 2),
        "cpus": len(os.sched_getaffinity(0)),
        "processes": len(processes),
        "memory_used": sum(_memory(process.pid, process.resident) for process in processes),
        "memory_total": _memory_total(),
        "disk_used": (disk.f_blocks - disk.f_bfree) * disk.f_frsize,
        "disk_total": disk.f_blocks * disk.f_frsize,
    }


def _memory(pid: int, resident: int) -> int:
    """Bytes of a process; what is shared counts for the part that is its own (PSS)."""
    found = _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")
    return resident if found is None else found


def _memory_total() -> int:
    machine = _field(Path("/proc/meminfo"), "MemTotal:") or 0
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # none, or "max"
        return machine
    return min(limit, machine)


def _field(path: Path, name: str) -> int | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
