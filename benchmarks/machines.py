"""A session of many machines on one local network: until all of them answer, and what our side takes for it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from typing import TYPE_CHECKING

import psutil

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.request import parse_request
from golem_launcher.session import client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.session_state import SessionState

_MACHINES = 50
_SECONDS = 120.0
_MEGA = 1_000_000

_NETWORK = "".join(
    f"""
[[provider]]
name = "many-{number}"
memory_gib = 0.5
"""
    for number in range(_MACHINES)
)
_WORKLOAD = """\
from golem_launcher.workload.base import ADDRESS, PORT, PYTHON, Workload

WEB_SERVER = Workload(
    name="web-server", title="The web server", argv=(PYTHON, "-m", "http.server", PORT, "--bind", ADDRESS)
)
"""


def rows(base: Path) -> list[Row]:
    description = base / "network.toml"
    description.write_text(_NETWORK)
    with bed.home(base / "machines"), web_server(base / "brought"):
        localnet.up(description)
        began = time.perf_counter()
        request = {"name": "many", "machines": _MACHINES, "workload": "web-server", "budget": 100}
        directory = client.start(parse_request({**request, "memory_gib": 0.4, "disk_gib": 0.2, "hours": 1}))
        try:
            state = client.wait_for(directory, _all_ready, _SECONDS)
            took = time.perf_counter() - began
            if state is None:
                raise RuntimeError(_stages(directory.state()))
            supervisor = psutil.Process(bed.supervisor_pid(directory))
            memory = _memory(supervisor, psutil.Process(bed.localnet_pid()))
        finally:
            client.stop("many", force=True)
    ours = sum(size for name, size in memory.items() if name != "agents")
    return [
        Row(f"{_MACHINES} machines of one session: until all of them answer", took, "s", least=60.0, aim=30.0),
        Row(
            "memory of our own processes then",
            ours,
            "MB",
            least=600.0,
            aim=300.0,
            detail=", ".join(f"{name} {size:.0f} MB" for name, size in memory.items() if name != "agents")
            + f"; at the machines themselves {memory['agents']:.0f} MB more (agents and web servers)",
        ),
    ]


def _all_ready(state: SessionState) -> bool:
    return len(state.machines) == _MACHINES and all(one.stage is Stage.READY for one in state.machines)


def _stages(state: SessionState) -> str:
    found = [one.stage.value for one in state.machines]
    return (
        f"{state.stage.value}: {', '.join(f'{found.count(one)} {one}' for one in sorted(set(found)))}. {state.reason}"
    )


def _memory(supervisor: psutil.Process, network: psutil.Process) -> dict[str, float]:
    """Proportional set sizes, MB."""
    inside = network.children(recursive=True)
    agents = [process for process in inside if "yagna" not in _name(process)]
    return {
        "supervisor": _size([supervisor]),
        "its gftp": _size([one for one in supervisor.children(recursive=True) if "gftp" in _line(one)]),
        "router and providers": _size([network]),
        "agents": _size(agents),
    }


def _size(processes: list[psutil.Process]) -> float:
    size = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # one that is just ending
            size += process.memory_full_info().pss
    return size / _MEGA


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name()
    return ""


def _line(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


@contextlib.contextmanager
def web_server(directory: Path) -> Iterator[None]:
    """The web server of docs/architecture.md as a workload, as an installed package brings it."""
    about = directory / "brought_web_server-1.0.dist-info"
    about.mkdir(parents=True)
    (directory / "brought_web_server.py").write_text(_WORKLOAD)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-web-server\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[golem_launcher.workloads]\nweb-server = brought_web_server:WEB_SERVER\n")
    sys.path.insert(0, str(directory))
    os.environ["PYTHONPATH"] = str(directory)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        del os.environ["PYTHONPATH"]
