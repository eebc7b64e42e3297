"""How long Prometheus waits for the figures of twenty sessions, each of thirty machines, and of a node beside them."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher import files, paths
from golem_launcher.localnet import network as localnet
from golem_launcher.metrics.collector import registry
from golem_launcher.metrics.exposition import Exposition
from golem_launcher.processes import ProcessRecord
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE
from tests.metrics.made import make

if TYPE_CHECKING:
    from pathlib import Path

_SESSIONS, _SCRAPES = 20, 50


def rows(base: Path) -> list[Row]:
    with bed.home(base / "metrics"):
        localnet.up()
        for number in range(_SESSIONS):
            directory = make(f"s-{number}", machines=30)
            files.write_json(directory.path / SUPERVISOR_FILE, ProcessRecord.of(os.getpid()).to_json())
        known = Exposition(registry())
        size = len(known.text())
        took = []
        for _ in range(_SCRAPES):
            began = time.perf_counter()
            known.text()
            took.append((time.perf_counter() - began) * 1000)
        for path in paths.sessions_directory().glob(f"*/{SUPERVISOR_FILE}"):
            path.unlink()  # else what ends all sessions would end this process
    return [
        Row(
            f"metrics: one reading of {_SESSIONS} sessions",
            statistics.median(took),
            "ms",
            least=20.0,
            aim=15.0,
            detail=f"median of {_SCRAPES}, {min(took):.1f} to {max(took):.1f} ms; {size // 1024} KiB of text; "
            "what the node says is told by the next reading, as it takes longer",
        )
    ]
