"""Jobs on a local network: what a task costs beside its own work, and what more machines are worth."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import golem_launcher
from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.localnet import network as localnet

if TYPE_CHECKING:
    from pathlib import Path

_WORKERS = 3
_SHORT_TASKS = 40
_LONG_SECONDS = 2.0
_LONG_TASKS = 4 * _WORKERS
_NETWORK = "".join(
    f"""
[[provider]]
name = "worker-{number}"
memory_gib = 0.5
"""
    for number in range(_WORKERS)
)


def nothing(x: int) -> int:
    return x


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def rows(base: Path) -> list[Row]:
    description = base / "network.toml"
    description.write_text(_NETWORK)
    with bed.home(base / "tasks"):
        localnet.up(description)
        one, short, each = _measure(1)
        several, _, _ = _measure(_WORKERS)
    return [
        Row(
            "a task of a job, beside its own work",
            short,
            "s",
            least=0.3,
            aim=0.2,
            detail=f"{_SHORT_TASKS} tasks that do nothing, one after the other at one machine; median {each:.2f} s",
        ),
        Row(
            f"equal tasks at {_WORKERS} machines, over as many times one",
            one / several / _WORKERS,
            "x",
            least=0.85,
            aim=0.95,
            more_is_better=True,
            detail=f"{_LONG_TASKS} tasks of {_LONG_SECONDS:g} s: {one:.1f} s at one, {several:.1f} s at {_WORKERS}; "
            "from the first task's beginning, all machines ready",
        ),
    ]


def _measure(workers: int) -> tuple[float, float, float]:
    """Seconds for all long tasks, for a short one on average, and its median."""
    small = {"memory_gib": 0.4, "disk_gib": 0.2, "budget": 10}
    with golem_launcher.Executor(workers, name=f"bench-{workers}", **small) as executor:
        executor.submit(nothing, 0).result(120)
        took = []
        for number in range(_SHORT_TASKS):
            began = time.perf_counter()
            executor.submit(nothing, number).result(60)
            took.append(time.perf_counter() - began)
        _have_all_ready(executor, workers)
        began = time.perf_counter()
        list(executor.map(sleep, [_LONG_SECONDS] * _LONG_TASKS))
        return time.perf_counter() - began, statistics.mean(took), statistics.median(took)


def _have_all_ready(executor: golem_launcher.Executor, workers: int) -> None:
    """Machines are taken once work has waited for them for a while, so there is some for longer."""
    deadline = time.monotonic() + 120
    while len(_ready(executor)) < workers:
        if time.monotonic() > deadline:
            raise RuntimeError("the machines are not ready")
        list(executor.map(sleep, [_LONG_SECONDS] * _LONG_TASKS))


def _ready(executor: golem_launcher.Executor) -> list[int]:
    session = executor.session
    return [one.number for one in session.state().machines if one.stage.value == "ready"] if session else []
