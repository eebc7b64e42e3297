"""Many sessions of one user at a time, and very many that are over: what each takes here, and how soon a list comes."""

from __future__ import annotations

import os
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil

from benchmarks import bed
from benchmarks.machines import web_server
from benchmarks.row import Row
from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.session import client
from golem_launcher.session_state import SessionState

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory

_SESSIONS, _AT_ONCE = 50, 5
_ALONE = 2
"""The first of them that are no forks."""
_SECONDS, _IDLE_SECONDS = 120.0, 30.0
_MEGA = 1_000_000
_PAST = 1000

_NETWORK = "".join(f'[[provider]]\nname = "many-{number}"\nmemory_gib = 0.5\n\n' for number in range(_SESSIONS))


def rows(base: Path) -> list[Row]:
    return [*_lists(base), *_running(base)]


def _lists(base: Path) -> list[Row]:
    with bed.home(base / "past"):
        _make_past(10)
        few = min(_seconds("list") for _ in range(7))
        _make_past(_PAST)
        bed.command("list")
        many = min(_seconds("list") for _ in range(7))
        version = min(_seconds("--version") for _ in range(7))
    told = f"{few:.3f} s with ten; the best of 7"
    return [
        Row("golem-launcher --version", version, "s", 0.1, 0.1, detail="the best of 7"),
        Row(f"golem-launcher list, {_PAST:,} sessions being over", many, "s", 0.2, 0.2, detail=told),
    ]


def _make_past(count: int) -> None:
    began = datetime.now(UTC) - timedelta(days=300)
    for number in range(count):
        name = f"past-{number}"
        directory = paths.sessions_directory() / name
        directory.mkdir(exist_ok=True)
        state = SessionState(name=name, network="local", stage=Stage.ENDED)
        (directory / "state.json").write_text(state.model_dump_json(indent=1))
        (directory / "request.json").write_text(LaunchRequest(name=name).model_dump_json(indent=1))
        at = (began + timedelta(hours=number)).timestamp()
        os.utime(directory / "request.json", (at, at))


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    bed.command(*words)
    return time.perf_counter() - began


def _running(base: Path) -> list[Row]:
    description = base / "network.toml"
    description.write_text(_NETWORK)
    with bed.home(base / "sessions"), web_server(base / "brought"):
        began = time.perf_counter()
        localnet.up(description)
        up = time.perf_counter() - began
        sessions = [one for first in range(0, _SESSIONS, _AT_ONCE) for one in _started(range(first, first + _AT_ONCE))]
        time.sleep(_IDLE_SECONDS)
        supervisors = [psutil.Process(bed.supervisor_pid(one)) for one in sessions]
        memory = [one.memory_full_info() for one in supervisors]
        cpu = sum(map(bed.cpu_seconds, supervisors))
        time.sleep(_IDLE_SECONDS)
        cpu = (sum(map(bed.cpu_seconds, supervisors)) - cpu) / _IDLE_SECONDS * 100 / _SESSIONS
        handles = [one.num_fds() for one in supervisors]
    shared = [one.pss / _MEGA for one in memory]
    further = shared[_ALONE:]
    own = statistics.median(one.uss / _MEGA for one in memory[_ALONE:])
    alone = max(shared[:_ALONE])
    told = f"{min(further):.1f} to {max(further):.1f} MB; of its own {own:.1f} MB; the first two {alone:.0f} MB"
    return [
        Row(f"a local network of {_SESSIONS} providers is up, in an empty home", up, "s", 15, 15),
        Row(
            f"memory of a supervisor, the third to the {_SESSIONS}th",
            statistics.median(further),
            "MB",
            15,
            15,
            detail=told,
        ),
        Row("its CPU while idle", cpu, "% of a core", 1.0, 0.5, detail="of all of them, the first two included"),
        Row("its open files", max(handles), "files", 40, 30, detail=f"{min(handles)} to {max(handles)}"),
    ]


def _started(numbers: range) -> list[SessionDirectory]:
    fields = {"workload": "web-server", "budget": 1, "memory_gib": 0.4, "disk_gib": 0.2, "hours": 1, "save": False}
    found = [client.start(parse_request({"name": f"many-{number}", **fields})) for number in numbers]
    for one in found:
        if client.wait_for(one, lambda state: state.stage is Stage.READY, _SECONDS) is None:
            raise RuntimeError(one.state().reason)
    return found
