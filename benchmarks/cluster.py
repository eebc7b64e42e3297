"""A Dask cluster beside a session's notebook: how soon it grows from one worker to four, and a small task's way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.request import parse_request
from golem_launcher.session import client
from tests.session.jupyter import Jupyter

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory

_MACHINES = 5
_SECONDS = 120.0
_NETWORK = "".join(
    f"""
[[provider]]
name = "cluster-{number}"
memory_gib = 3
"""
    for number in range(_MACHINES)
)
_BEGIN = """
import statistics, time
from golem_launcher.cluster import GolemCluster
cluster = GolemCluster()
client = cluster.client()
client.wait_for_workers(1, timeout=60)
"""
_GROW = """
began = time.perf_counter()
cluster.scale(4)
client.wait_for_workers(4, timeout=90)
print(time.perf_counter() - began)
"""
_TASKS = """
def took():
    began = time.perf_counter()
    client.submit(lambda: 1, pure=False).result()
    return time.perf_counter() - began
took()
print(statistics.median(took() for _ in range(200)))
"""


def rows(base: Path) -> list[Row]:
    base.mkdir(parents=True, exist_ok=True)
    description = base / "network.toml"
    description.write_text(_NETWORK)
    with bed.home(base / "cluster"):
        localnet.up(description)
        began = time.perf_counter()
        request = {"name": "cluster", "workers": 1, "max_workers": 4, "budget": 100, "memory_gib": 2, "disk_gib": 1}
        directory = client.start(parse_request({**request, "hours": 1, "save": False}))
        try:
            if client.wait_for(directory, lambda state: state.stage is Stage.READY, _SECONDS) is None:
                raise RuntimeError(directory.state().reason)
            start = time.perf_counter() - began
            grown, task = asyncio.run(_measured(directory))
        finally:
            client.stop("cluster", force=True)
    return [
        Row(
            "a Dask cluster grows from 1 worker to 4, beyond what its session took to start",
            grown - start,
            "s",
            least=6.0,
            aim=3.0,
            detail=f"{grown:.1f} s until all of them compute; the session was ready after {start:.1f} s",
        ),
        Row("a small Dask task's way there and back, in the Lab", 1000 * task, "ms", least=100.0, aim=50.0),
    ]


async def _measured(directory: SessionDirectory) -> tuple[float, float]:
    async with Jupyter(directory.url()) as jupyter:
        kernel = (await jupyter.call("POST", "/api/kernels", {"name": "python3"}))["id"]
        await jupyter.run(kernel, _BEGIN)
        return float(await jupyter.run(kernel, _GROW)), float(await jupyter.run(kernel, _TASKS))
