"""``golem-launcher run`` on a local network: the real daemons, machines that are lost, commands that fail."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.tasks import record
from tests.patience import slower
from tests.tasks.conftest import outcome

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

_SQUARES = """
import os, pathlib, sys, time
number = int(sys.argv[1])
print("working at", number, flush=True)
if number == 7:
    sys.exit("seven is wrong")
while pathlib.Path("/nowhere").exists() or (len(sys.argv) > 2 and time.sleep(float(sys.argv[2]))):
    pass
pathlib.Path("made").mkdir()
pathlib.Path(f"made/{number}.txt").write_text(str(number * number))
pathlib.Path(".hidden").write_text("not for anybody")
"""


@pytest.fixture
def squares(tmp_path):
    (tmp_path / "squares.py").write_text(_SQUARES)
    return tmp_path


def wait_for_line(process, words):
    """The next line that a command says in which there are these words."""
    said = []
    while not said or words not in said[-1]:
        said.append(process.stderr.readline())
        assert said[-1], "".join(said)
    return said[-1]


def test_twelve_tasks_on_three_machines_of_which_one_is_lost(job, lose, squares):
    process = job(
        "--map", "0:12", "--file", "squares.py", "--setup", "echo 3 > base; test -f squares.py", "--collect", "made/*",
        "--output", "out", "--", "python3", "squares.py", "{item}", "1", name="twelve",
    )  # fmt: skip
    provider = wait_for_line(process, "Machine 2 is ready at ").split()[-1].rstrip(".")
    wait_for_line(process, f" at {provider}, ")
    lose("twelve", 2)
    told = outcome(process, code=1)
    assert told["done"] == 11
    assert told["missing"] == ["7"]
    assert told["failed"] == {"7": "exit code 1: seven is wrong (3 attempts)"}
    assert client.find("twelve").state().reason == "No task is left to do."
    assert told["reason"] == ""
    out = squares / "out"
    found = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.txt")}
    numbers = [number for number in range(12) if number != 7]
    assert found == {f"{n}/made/{n}.txt": str(n * n) for n in numbers} | {
        f"{n}/log.txt": f"working at {n}\n" for n in numbers
    } | {"7 (failed).txt": "working at 7\nseven is wrong\n"}
    assert sum(one["done"] for one in told["providers"]) == 11
    assert len({one["id"] for one in told["providers"]}) >= 3
    assert not any(one["left"] for one in told["providers"]), "nobody can do the seventh: no provider is to blame"
    state = client.find("twelve").state()
    assert state.stage.final
    assert 0 < state.cost <= state.budget
    done = [line.task for line in record.find("twelve").lines() if line.kind == "done"]
    assert sorted(done) == numbers

    (squares / "squares.py").write_text(_SQUARES.replace("== 7", "== 777"))
    told = outcome(job("--workers", "1", resume="twelve"))
    assert (told["done"], told["missing"], told["failed"]) == (12, [], {})
    assert (out / "7" / "made" / "7.txt").read_text() == "49"
    assert not (out / "7 (failed).txt").exists()
    done = [line.task for line in record.find("twelve").lines() if line.kind == "done"]
    assert sorted(done) == list(range(12)), "and only what was missing was done"


def test_one_ctrl_c_ends_it_in_order_and_the_rest_is_done_later(job, squares):  # noqa: ARG001 - its file is brought
    process = job("--map", "20:30", "--workers", "2", "--file", "squares.py", "--", "python3", "squares.py", "{item}",
                  "1", name="interrupted")  # fmt: skip
    wait_for_line(process, "1 of 10")
    process.send_signal(signal.SIGINT)
    told = outcome(process, code=1)
    assert 0 < told["done"] < 10
    assert told["reason"] == "Ctrl-C, or a signal, ended it."
    assert told["failed"] == {}
    assert client.find("interrupted").state().stage.final
    directory = client.find("interrupted")
    assert Journal.read(directory.path).entries.closed
    told = outcome(job(resume="interrupted"))
    assert told["done"] == 10
    assert len(json.dumps(told)) < 10_000


def test_a_job_whose_supervisor_is_killed_says_how_to_go_on(job, squares):  # noqa: ARG001 - its directory
    process = job("--map", "0:3", "--workers", "1", "--", "sh", "-c", "sleep 1; echo {item}", name="orphaned")
    wait_for_line(process, "1 of 3")
    os.kill(liveness.supervisor(client.find("orphaned")).pid, signal.SIGKILL)
    told = outcome(process, code=1)
    assert 0 < told["done"] < 3
    assert told["reason"].startswith("What looks after 'orphaned' died. See ")
    assert Journal.read(client.find("orphaned").path).entries.closed
    assert outcome(job(resume="orphaned"))["done"] == 3


def test_frames_0_to_60_by_10_of_the_example(job, squares):
    for name in ("frames.yaml", "render.py"):
        (squares / name).write_bytes((ROOT / "examples" / "frames" / name).read_bytes())
    told = outcome(job("--job", "frames.yaml", name="frames"))
    assert (told["done"], told["missing"]) == (6, [])
    ended = [one.ended_at for one in Journal.read(client.find("frames").path).entries.agreements]
    assert max(ended) - min(ended) < timedelta(seconds=12), "nobody is paid while bills are waited for"
    here = {}
    for frame in range(0, 60, 10):
        subprocess.run([sys.executable, squares / "render.py", str(frame)], cwd=squares, check=True)
        name = f"out{frame:04}.png"
        here[f"{frame}/{name}"] = (squares / name).read_bytes()
    out = squares / "frames"
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")} == here


def test_idle_machines_are_let_go_of_and_a_stopped_session_keeps_what_is_done(job, squares):
    (squares / "items").write_text("0\n0.1\n0.2\n600\n")
    process = job("--map", "items", "--", "sh", "-c", "sleep {item}; echo {item} > made", name="stopped")
    awaited = {"3 of 4", "is let go of: there is nothing for it to do"}  # in whichever order
    while awaited:
        line = process.stderr.readline()
        assert line, awaited
        awaited -= {words for words in awaited if words in line}
    state = client.wait_for(
        client.find("stopped"), lambda state: any(one.stage is Stage.ENDED for one in state.machines), 60 * slower()
    )
    assert state is not None, "there was nothing for it to do"
    assert state.stage is Stage.READY
    client.stop("stopped")
    told = outcome(process, code=1)
    assert (told["done"], told["missing"]) == (3, ["600"])
    assert told["reason"].startswith("Stopped as asked.")
    assert (squares / "stopped" / "0.2" / "made").read_text() == "0.2\n"
    process = job("--budget", "0.000001", resume="stopped")
    error = process.communicate(timeout=60 * slower())[1]
    assert process.returncode == 1
    assert "which is all of its budget" in error


def test_two_ctrl_c_end_it_at_once(job, squares):  # noqa: ARG001 - its directory
    process = job("--workers", "1", "--", "sleep", "1000", name="twice")
    wait_for_line(process, "Machine 1 is ready")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Ctrl-C again ends it at once")
    process.send_signal(signal.SIGINT)
    told = outcome(process, code=1)
    assert (told["done"], told["reason"]) == (0, "Ctrl-C, or a signal, ended it.")
    assert client.find("twice").state().stage.final


def test_a_setup_that_fails_everywhere_ends_the_job_with_what_it_said(job, squares):  # noqa: ARG001 - its directory
    process = job("--workers", "2", "--map", "0:2", "--setup", "echo no such luck; exit 3", "--", "true", name="setup")
    error = process.communicate(timeout=150 * slower())[1]
    assert process.returncode == 1
    assert "The setup failed at every provider: exit code 3: no such luck" in error
    assert client.find("setup").state().stage.final


def test_what_makes_no_sense_is_refused_before_anything_is_begun(job, squares):  # noqa: ARG001 - its directory
    for arguments in ((), ("--map", "1:1", "--", "true"), ("--verify", "4", "--map", "0:9", "--", "true"),
                      ("--file", "nothing-there", "--", "true"), ("--hours", "x", "--", "true")):  # fmt: skip
        process = job(*arguments)
        out, error = process.communicate(timeout=60 * slower())
        assert (process.returncode, out) == (2, ""), error
        assert error.startswith("Error: ")
