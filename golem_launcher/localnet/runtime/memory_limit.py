"""Enforces an activity's agreed memory from outside, a second late, as a VM's kernel would from inside.

No privilege is needed for this, and a cgroup of its own is not to be had by every user.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def relieve(root: int, limit: int) -> int | None:
    """Kill the largest process below ``root`` when all of them together hold more than ``limit`` bytes; its pid.

    What several of them share counts once. Blocking: the kernel counts pages.
    """
    sizes = {pid: _proportional(pid) for pid in _below(root)}
    if not sizes or sum(sizes.values()) <= limit:
        return None
    largest = max(sizes, key=lambda pid: sizes[pid])
    with contextlib.suppress(OSError):
        os.kill(largest, signal.SIGKILL)
    return largest


def _below(root: int) -> list[int]:
    found: list[int] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    children = list(map(int, (task / "children").read_bytes().split()))
                    found += children
                    waiting += children
    return found


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0
