"""Sessions' directories as their supervisors leave them."""

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from golem_launcher.events import Stage, Usage
from golem_launcher.gpus import Gpu
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session_state import KeptVariables, MachineState, ProvidersSeen, Saving, SessionState, Tunnel
from golem_launcher.tasks import record
from golem_launcher.tasks.record import JobRecord, Line

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOSTILE = '"} 1\nevil{a="<script>'


def make(name, *, stage=Stage.READY, machines=1, **fields):
    """A session's directory; ``fields`` of its state that are to be otherwise."""
    directory = create_session_directory(LaunchRequest(name=name, budget=5))
    stages = [(Stage.CHECKING, BEGAN), (Stage.NEGOTIATING, BEGAN + timedelta(seconds=2))]
    stages += [(Stage.READY, BEGAN + timedelta(seconds=12)), (Stage.RECOVERING, BEGAN + timedelta(seconds=100))]
    stages += [(stage, BEGAN + timedelta(seconds=103))]
    usage = Usage(cpu_percent=150.0, memory_bytes=2**30, disk_bytes=5, gpu_percent=0.0, gpu_memory_bytes=7)
    machine = {"provider_id": "0x" + "a" * 40, "provider_name": HOSTILE, "trouble": HOSTILE, "usage": usage}
    machine["tunnel"] = Tunnel(
        sent_bytes=1000, received_bytes=2000, connections=7, failures=2, reconnects=3, round_trip=0.05
    )
    gpu = {"name": HOSTILE, "driver": HOSTILE, "memory_total_bytes": 2**30, "memory_bytes": 7, "percent": 0.0}
    machine["gpus"] = (Gpu(**gpu, celsius=40.0, watts=20.0), Gpu(**gpu, celsius=60.0), Gpu(name=HOSTILE))
    state = {
        "name": name, "network": "local", "stage": stage, "stages": tuple(stages), "created_at": BEGAN,
        "started_at": BEGAN + timedelta(seconds=12), "budget": Decimal(5), "cost": Decimal("0.25"),
        "machines": tuple(
            MachineState(number=number, stage=Stage.READY, price_per_hour=Decimal("0.5"), lost=1, **machine)
            for number in range(1, machines + 1)
        ),
        "saving": Saving(
            workspace=name, generation=3, saved_at=BEGAN, interval=5, files=10, bytes=1000, seconds=0.5, new_bytes=100,
            kept_bytes=2000, left_out=2, at_stake=1, problem=HOSTILE,
        ),
        "variables": (KeptVariables(notebook=HOSTILE, names=((HOSTILE, 9),), count=4, bytes=50, lost_count=2),) * 2,
        "providers_seen": ProvidersSeen(suitable=3, too_dear=2), "providers_lost": 1, "failovers": 1,
        "trouble": HOSTILE, "unsaved": 4,
    }  # fmt: skip
    directory.write_state(SessionState.model_validate(state | fields))
    return directory


def make_job(name, *, tasks, done=(), failed=()):
    """A job's directory with its record; a task of which both is said is done."""
    directory = record.create(name, {"items": ["item"] * tasks})
    add_lines(directory, done=done, failed=failed)
    return directory


def add_lines(directory, *, done=(), failed=()):
    with contextlib.closing(JobRecord(directory)) as written:
        for task in failed:
            written.add(Line(kind="failed", task=task, reason=HOSTILE), sure=False)
        for task in done:
            written.add(Line(kind="done", task=task, provider=HOSTILE, seconds=3.0), sure=False)
