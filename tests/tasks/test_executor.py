"""``golem_launcher.Executor`` and ``map`` on a local network: results, exceptions, files, cancelling, an end."""

import asyncio
import concurrent.futures
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import golem_launcher
from golem_launcher.errors import RequestError, TaskError
from golem_launcher.events import Stage
from golem_launcher.market import history
from golem_launcher.session import client
from golem_launcher.tasks import runner
from golem_launcher.tasks.function_results import RemoteTraceback
from tests.patience import slower
from tests.tasks.conftest import HONEST, ODD

pytestmark = pytest.mark.slow

SMALL = {"memory_gib": HONEST, "disk_gib": 0.5, "deny": ODD}
OFFSET = 100


def square(x):
    return x * x + OFFSET


def divide(x):
    return 1 / x


def upper(path):
    made = Path("upper.txt")
    made.write_text(path.read_text().upper() + Path("greeting").read_text())
    return {"text": made, "size": made.stat().st_size, "raw": b"\0\xff"}


def large(size):
    return b"x" * size


def wait_for(seconds):
    time.sleep(seconds)
    return seconds


def exits():
    import os  # noqa: PLC0415 - it is another process's business

    os._exit(3)


class Canary:
    def __reduce__(self):
        return (print, ("it was unpickled",))


def canary():
    """A hostile provider's idea of a result."""
    return pickle.dumps(Canary())


@pytest.fixture(scope="module")
def executor(network, tmp_path_factory):  # noqa: ARG001 - it must be up
    history.forget()
    output = tmp_path_factory.mktemp("output")
    with golem_launcher.Executor(
        2, name="executor", budget=2, setup="echo ' and hello' > greeting", output=output, timeout=20, **SMALL
    ) as executor:
        yield executor


def test_results_come_in_the_order_of_items_and_as_they_are_done(executor):
    assert list(executor.map(square, range(6))) == [x * x + OFFSET for x in range(6)]
    futures = {executor.submit(square, x): x for x in (3, 5)}
    done = {
        futures[future]: future.result() for future in concurrent.futures.as_completed(futures, timeout=60 * slower())
    }
    assert done == {3: 109, 5: 125}


def test_an_exception_has_the_lines_of_the_function_as_its_cause(executor):
    with pytest.raises(ZeroDivisionError, match="division by zero") as raised:
        executor.submit(divide, 0).result(60)
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "in divide\n    return 1 / x" in str(raised.value.__cause__)


def test_files_and_bytes_go_and_come(executor, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("hello")
    told = executor.submit(upper, tmp_path / "in.txt").result(60)
    assert (told["text"].read_text(), told["size"], told["raw"]) == ("HELLO and hello\n", 16, b"\0\xff")
    assert executor.submit(large, 3_000_000).result(60) == b"x" * 3_000_000
    assert executor.submit(canary).result(60).startswith(b"\x80")
    assert "unpickled" not in capsys.readouterr().out


def test_what_cannot_travel_is_said_before_anything_is_sent(executor):
    lock = threading.Lock()
    with pytest.raises(RequestError, match=r"'lock', which .* uses, can't travel"):
        executor.submit(lambda: lock)
    with pytest.raises(RequestError, match="can't travel"):
        executor.submit(square, {1, 2})


def test_a_machine_without_work_is_let_go_of_and_another_had_while_work_waits(executor, monkeypatch):
    executor.submit(square, 1).result(60)
    with monkeypatch.context() as soon:
        soon.setattr(runner, "_IDLE_SECONDS", 0.5)
        few = client.wait_for(executor.session, lambda state: state.machines[1].stage is Stage.ENDED, 60 * slower())
    assert few.machines[0].stage is Stage.READY, "one is there for what comes next"
    waited = [executor.submit(wait_for, seconds) for seconds in (6, 6.1, 6.2, 0.1, 0.2)]
    assert client.wait_for(executor.session, lambda state: state.machines[1].stage is Stage.READY, 60 * slower())
    assert [future.result(60) for future in waited] == [6, 6.1, 6.2, 0.1, 0.2]


def test_a_process_that_dies_is_a_task_that_failed(executor):
    with pytest.raises(TaskError, match=r"exit code 3 \(3 attempts\)"):
        executor.submit(exits).result(60)


def test_what_waits_can_be_cancelled_and_what_runs_cannot(executor):
    running = [executor.submit(wait_for, 2) for _ in range(2)]
    waiting = executor.submit(square, 9)
    while not all(one.running() for one in running):
        time.sleep(0.05)
    assert waiting.cancel()
    assert not running[0].cancel()
    assert [one.result(60) for one in running] == [2, 2]
    assert executor.submit(square, 1).result(60) == 101


def test_where_a_loop_runs(executor):
    async def both():
        return await asyncio.gather(executor.run(square, 2), executor.run(square, 3))

    assert asyncio.run(both()) == [104, 109]


def test_map_ends_its_session_and_reports_what_was_raised(executor, tmp_path):
    executor.shutdown()
    assert client.find("executor").state().stage is Stage.ENDED
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 1)
    history.forget()
    found = golem_launcher.map(
        divide, [1, 0, 4], workers=2, name="mapped", return_exceptions=True, output=tmp_path, **SMALL
    )
    assert (found[0], found[2]) == (1.0, 0.25)
    assert isinstance(found[1], ZeroDivisionError)
    state = client.find("mapped").state()
    assert state.stage is Stage.ENDED
    assert len(state.machines) == 2
    assert golem_launcher.map(divide, []) == []


@pytest.mark.usefixtures("network")
def test_an_interrupt_ends_what_runs_at_once(tmp_path):
    history.forget()
    futures = []

    def interrupted():
        with golem_launcher.Executor(3, name="interrupted", output=tmp_path, **SMALL) as executor:
            futures.append(executor.submit(wait_for, 1800))
            while not futures[0].running():
                assert not futures[0].done(), futures[0].exception()
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(TaskError, match="interrupted"):
        futures[0].result(0)
    state = client.find("interrupted").state()
    assert state.stage.final
    assert len(state.machines) == 1, "one task is work for one machine"


_LEFT = f"""
import golem_launcher

def square(x):
    return x * x

executor = golem_launcher.Executor(1, name="left", **{SMALL!r})
print(executor.submit(square, 3).result())
"""


@pytest.mark.usefixtures("network")
def test_a_program_that_just_ends_leaves_no_session(tmp_path):
    history.forget()
    (tmp_path / "script.py").write_text(_LEFT)
    ran = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=170 * slower()
    )
    assert (ran.returncode, ran.stdout) == (0, "9\n"), ran.stderr
    assert client.find("left").state().stage.final
