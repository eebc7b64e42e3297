"""What a session takes while nobody does anything: CPU by the kernel's ticks, memory as the kernel shares it out."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psutil

from benchmarks import bed
from benchmarks.row import Row

if TYPE_CHECKING:
    from pathlib import Path

_SETTLE_SECONDS = 10.0
_SECONDS = 60.0
_MEGA = 1_000_000


def rows(base: Path) -> list[Row]:
    with bed.home(base / "idle"), bed.session("idle") as session:
        supervisor, network = psutil.Process(session.supervisor), psutil.Process(bed.localnet_pid())
        time.sleep(_SETTLE_SECONDS)
        helpers = [child for child in supervisor.children(recursive=True) if _is_gftp(child)]
        ours = {"supervisor": [supervisor], "its gftp": helpers, "router and providers": [network]}
        before = {name: sum(map(bed.cpu_seconds, processes)) for name, processes in ours.items()}
        began = time.perf_counter()
        time.sleep(_SECONDS)
        took = time.perf_counter() - began
        shares = {
            name: (sum(map(bed.cpu_seconds, processes)) - before[name]) / took * 100 for name, processes in ours.items()
        }
        memory = {name: sum(map(_memory, processes)) for name, processes in ours.items()}
    return [
        Row(
            "idle session: CPU of supervisor, router and provider together",
            sum(shares.values()),
            "% of a core",
            least=3.0,
            aim=1.0,
            detail=f"over {took:.0f} s: " + ", ".join(f"{name} {share:.2f} %" for name, share in shares.items()),
        ),
        Row(
            "memory: supervisor",
            memory["supervisor"],
            "MB",
            least=120.0,
            aim=80.0,
            detail=f"proportional set size; yapapi's gftp beside it {memory['its gftp']:.0f} MB",
        ),
        Row("memory: router and providers", memory["router and providers"], "MB", least=100.0, aim=60.0),
    ]


def _is_gftp(process: psutil.Process) -> bool:
    """Not all children of the supervisor are its helpers: the session that comes first also starts the network."""
    with contextlib.suppress(psutil.Error):  # one that is just ending
        return "gftp" in " ".join(process.cmdline())
    return False


def _memory(process: psutil.Process) -> float:
    memory = process.memory_full_info()
    return float(getattr(memory, "pss", memory.rss)) / _MEGA
