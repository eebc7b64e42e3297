"""A session in which nothing happens is saved and stopped; one that is used, or can't be saved, goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.events import Stage, Usage, now
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.lifetime.idle import not_spent
from golem_launcher.session.lifetime.signs_of_use import SignsOfUse, computes
from golem_launcher.session_state import MachineState, SessionState
from golem_launcher.workspace.repository.store import open_store
from tests.session.conftest import explain, wait_for
from tests.session.jupyter import Jupyter

_BIG = "open('note.txt', 'w').write('note'); open('big', 'wb').write(__import__('os').urandom(120_000_000))"


def test_it_is_an_hour_where_time_is_money_and_never_here() -> None:
    assert parse_request({}).idle_seconds is None
    assert parse_request({"network": "polygon"}).idle_seconds == 3600
    assert parse_request({"network": "polygon", "idle": "none"}).idle_seconds is None
    assert parse_request({"idle": "30m"}).idle_seconds == 1800
    assert parse_request({"idle": " 1.5H "}).idle_seconds == 5400
    assert parse_request({"network": "polygon", "save": False}).idle_seconds is None
    assert parse_request({"network": "polygon", "workload": "tasks"}).idle_seconds is None


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"idle": "30"}, "write it like"),
        ({"idle": "soon"}, "write it like"),
        ({"idle": "1s"}, "between"),
        ({"idle": "1h", "save": False}, "saved first"),
        ({"idle": "1h", "workload": "tasks"}, "only of JupyterLab"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], why: str) -> None:
    with pytest.raises(RequestError, match=why):
        parse_request(asked)


def kernel(name: str = "k", state: str = "idle", last: str = "10:00") -> dict[str, str]:
    return {"id": name, "execution_state": state, "last_activity": last}


def test_a_kernel_or_a_terminal_that_did_something_is_use() -> None:
    signs = SignsOfUse()
    terminal = {"name": "1", "last_activity": "10:00"}
    assert not signs.running([kernel()], [terminal])
    assert not signs.running([kernel()], [terminal])
    assert signs.running([kernel(last="10:01")], [terminal])
    assert signs.running([kernel(last="10:01")], [{**terminal, "last_activity": "10:02"}])
    assert signs.running([kernel(last="10:01"), kernel("new")], None)
    assert not signs.running([kernel(last="10:01")], None)  # one that ended
    assert signs.running([kernel(state="busy", last="10:01")], None)
    assert signs.running([kernel(state="busy", last="10:01")], None)
    assert signs.running([kernel(state="dead", last="10:01")], None)  # which it became just now
    assert not signs.running([kernel(state="dead", last="10:01")], None)


@pytest.mark.parametrize("told", ["kernels", [1], {"id": 1}, [["id"]], 7, [kernel(str(one)) for one in range(10_000)]])
def test_what_makes_no_sense_counts_as_use(told: object) -> None:
    signs = SignsOfUse()
    signs.running([], [])
    assert signs.running(told, [])
    assert signs.running([], told)


def test_a_machine_is_as_busy_as_it_was_over_a_while() -> None:
    signs = SignsOfUse()

    def look(cpu: float, gpu: float | None = None, number: int = 1) -> bool:
        return signs.load([MachineState(number=number, usage=Usage(cpu_percent=cpu, gpu_percent=gpu))])

    assert look(50)
    assert [look(0.5) for _ in range(9)][-1] is False
    assert not look(20)  # a save
    assert not look(0.5)
    assert [look(6) for _ in range(6)][-1] is True
    assert not look(1, 2, number=2)
    assert look(1, 97, number=2)
    assert signs.load([MachineState()])  # it did not tell yet


def test_tasks_of_a_cluster_that_are_not_done_are_use() -> None:
    rest = {"processing": 0, "waiting": 0, "unrunnable": 0, "memory": 12}
    assert not computes(rest)
    assert computes({**rest, "processing": 1})
    assert computes({**rest, "waiting": 3})
    for nonsense in ({}, [], None, {**rest, "waiting": "many"}):
        assert computes(nonsense)


def test_what_is_not_spent_is_no_more_than_there_is() -> None:
    at = now()
    state = SessionState(
        name="x", network="local", budget=Decimal(5), cost=Decimal(1), deadline=at + timedelta(hours=2)
    )
    assert not_spent(state, at) == 4
    dear = state.model_copy(update={"machines": (MachineState(price_per_hour=Decimal(10)),)})
    assert not_spent(dear, at) == 4
    cheap = state.model_copy(update={"machines": (MachineState(price_per_hour=Decimal("1.6")),)})
    assert not_spent(cheap, at) == Decimal("3.2")
    assert not_spent(cheap, at + timedelta(hours=3)) == 0


def run(directory, code):  # type: ignore[no-untyped-def]
    async def talk() -> object:
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


@pytest.mark.slow
def test_it_is_told_saved_and_stopped_and_not_while_it_is_used_or_can_not_be_saved(ready) -> None:  # type: ignore[no-untyped-def]
    directory = ready(idle="20s", save_seconds=1, disk_gib=0.1)
    run(directory, f"{_BIG}; import time; time.sleep(30)")  # nobody asks anything meanwhile, and it takes no CPU
    lines = [event.line for event in directory.events()[0]]
    assert not any("Nothing has happened" in line for line in lines), lines

    state = wait_for(directory, lambda state: "not ended" in state.idle, 90)
    assert "big" in state.idle
    assert state.stage is Stage.READY
    assert state.idle_ends_at is None
    assert any("stopped in" in event.line for event in directory.events()[0] if event.kind == "idle")

    run(directory, "import os; os.remove('big')")
    state = wait_for(directory, lambda state: state.idle_ends_at is not None, 90)
    assert state.stage is Stage.READY
    assert client.keep_running(directory.name) == 20
    assert client.describe(directory)["idle"] == ""

    state = wait_for(directory, lambda state: state.stage.final, 120)
    assert state.stage is Stage.ENDED, explain(directory)
    assert state.reason.startswith("Nothing happened here for 20 s, so it was saved and stopped; ")
    assert state.reason.endswith("tGLM not spent.")
    assert "note.txt" in {entry.path for entry in open_store().manifest(directory.name).entries}
