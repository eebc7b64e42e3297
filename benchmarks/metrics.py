"""How long Prometheus waits for the figures of twenty sessions, each with thirty machines and all that one can have."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from prometheus_client import generate_latest

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.metrics.collector import registry
from tests.metrics.made import make

if TYPE_CHECKING:
    from pathlib import Path

_SESSIONS, _SCRAPES = 20, 50


def rows(base: Path) -> list[Row]:
    with bed.home(base / "metrics"):
        for number in range(_SESSIONS):
            make(f"s-{number}", machines=30)
        known = registry()
        size = len(generate_latest(known))
        took = []
        for _ in range(_SCRAPES):
            began = time.perf_counter()
            generate_latest(known)
            took.append((time.perf_counter() - began) * 1000)
    return [
        Row(
            f"metrics: one reading of {_SESSIONS} sessions",
            statistics.median(took),
            "ms",
            least=20.0,
            aim=15.0,
            detail=f"median of {_SCRAPES}, {min(took):.1f} to {max(took):.1f} ms; {size // 1024} KiB of text",
        )
    ]
