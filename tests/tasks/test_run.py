"""``golem-launcher run`` on a local network: the real daemons, machines that are lost, commands that fail."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.tasks import record
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
        "--map", "0:12", "--file", "squares.py", "--setup", "echo 3 > base; test -f squares.py", "--keep", "made/*",
        "--output", "out", "--", "python3", "squares.py", "{item}", "1", name="twelve",
    )  # fmt: skip
    provider = wait_for_line(process, "Machine 2 is ready at ").split()[-1].rstrip(".")
    wait_for_line(process, f" at {provider}, ")
    lose("twelve", 2)
    told = outcome(process, code=1)
    assert told["done"] == 11
    assert told["missing"] == ["7"]
    assert told["failed"] == {"7": "exit code 1: seven is wrong (3 attempts)"}
    assert told["reason"] == ""
    out = squares / "out"
    found = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.txt")}
    numbers = [number for number in range(12) if number != 7]
    assert found == {f"{n}/made/{n}.txt": str(n * n) for n in numbers} | {
        f"{n}/log.txt": f"working at {n}\n" for n in numbers
    }
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
    done = [line.task for line in record.find("twelve").lines() if line.kind == "done"]
    assert sorted(done) == list(range(12)), "and only what was missing was done"


def test_one_ctrl_c_ends_it_in_order_and_the_rest_is_done_later(job, squares):  # noqa: ARG001 - its file is brought
    process = job("--map", "20:30", "--workers", "2", "--file", "squares.py", "--", "python3", "squares.py", "{item}",
                  "1", name="interrupted")  # fmt: skip
    wait_for_line(process, "1 of 10")
    process.send_signal(signal.SIGINT)
    told = outcome(process, code=1)
    assert 0 < told["done"] < 10
    assert told["reason"] == "It was ended."
    assert told["failed"] == {}
    assert client.find("interrupted").state().stage.final
    directory = client.find("interrupted")
    assert Journal.read(directory.path).entries.closed
    told = outcome(job(resume="interrupted"))
    assert told["done"] == 10
    assert len(json.dumps(told)) < 10_000


def test_frames_0_to_60_by_10_of_the_example(job, squares):
    for name in ("frames.yaml", "render.py"):
        (squares / name).write_bytes((ROOT / "examples" / "frames" / name).read_bytes())
    told = outcome(job("--job", "frames.yaml", name="frames"))
    assert (told["done"], told["missing"]) == (6, [])
    here = {}
    for frame in range(0, 60, 10):
        subprocess.run([sys.executable, squares / "render.py", str(frame)], cwd=squares, check=True)
        name = f"out{frame:04}.png"
        here[f"{frame}/{name}"] = (squares / name).read_bytes()
    out = squares / "frames"
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")} == here
