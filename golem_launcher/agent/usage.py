"""Measures what a session uses: processes (/proc), files, disk (statvfs), GPUs (gpus.py), and the limits."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from . import file_placement, gpus, process_tree

_DISK_EVERY_SECONDS = 15.0
_DISK_SECONDS = 0.3
"""Looking through a workspace of very many files stops then; the sum so far is told."""
_BLOCK = 512

_measured: dict[str, tuple[float, int]] = {}
"""By directory: when its files were last added up, and the sum."""
_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def usage(manager: int, root: str) -> dict[str, Any]:
    """Totals of the agent's process tree, in seconds and bytes. Rates are the reader's: two answers and their times.

    What is to be shown has the name of its field in :class:`golem_launcher.events.Usage`.
    """
    own = process_tree.read(manager)
    processes = [*([own] if own else []), *process_tree.descendants(manager)]
    room = os.statvfs(root)
    return {
        "time": time.time(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_seconds": sum(process.cpu_seconds for process in processes),
        "processes": len(processes),
        "memory_bytes": sum(process_tree.own_memory(process.pid) for process in processes),
        "memory_total_bytes": _memory_total(),
        "disk_free_bytes": room.f_bavail * room.f_frsize,
        "disk_total_bytes": room.f_blocks * room.f_frsize,
        "disk_bytes": _workspace(root),
        **_gpus(),
    }


def _workspace(root: str) -> int:
    """Bytes on disk of the files below ``root``; a number of up to 15 s ago. Links are not followed."""
    measured = _measured.get(root)
    now = time.monotonic()
    if measured is not None and now - measured[0] < _DISK_EVERY_SECONDS:
        return measured[1]
    total = 0
    own = os.path.join(root, file_placement.OWN)
    waiting = [root]
    while waiting and time.monotonic() - now < _DISK_SECONDS:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != own:
                            waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    _measured[root] = (now, total)
    return total


def _gpus() -> dict[str, Any]:
    """Each GPU by itself, how busy the busiest is, and the memory in use on all; empty where nobody can tell."""
    found = gpus.gpus()
    if found is None:
        return {}
    told: dict[str, Any] = {"gpus": found}
    if percents := [one["percent"] for one in found if "percent" in one]:
        told["gpu_percent"] = max(percents)
    if used := [one["memory_bytes"] for one in found if "memory_bytes" in one]:
        told["gpu_memory_bytes"] = sum(used)
    return told


def _memory_total() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CGROUP:
        with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
            total = min(total, int(file.read(64)))
    return total
