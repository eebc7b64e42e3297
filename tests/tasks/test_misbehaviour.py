"""Jobs among providers that hang and lie; runners that are killed at any moment; a budget that is used up."""

import os
import random
import time
from decimal import Decimal

import pytest

from golem_launcher.market import history
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.tasks import record
from tests.tasks.conftest import BY_TIME, outcome
from tests.tasks.test_run import wait_for_line

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("GOLEM_LAUNCHER_KILLS", "6"))
_WORK = """
import os, pathlib, sys, time
odd = os.environ.get("ODD")
if odd == "hangs":
    time.sleep(3600)
time.sleep(float(sys.argv[2]))
pathlib.Path("made.txt").write_text(f"{sys.argv[1]}{' and a lie' if odd == 'lies' else ''}")
"""


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work.py").write_text(_WORK)
    return tmp_path


def check(work, output, count):
    """Every task's file is there, and right."""
    for number in range(count):
        assert (work / output / str(number) / "made.txt").read_text() == str(number)


def test_at_a_provider_where_tasks_hang_two_are_tried_and_done_elsewhere(job, work, lose):
    process = job("--map", "0:12", "--file", "work.py", "--output", "out", "--timeout", "5", "--", "python3", "work.py",
                  "{item}", "1", name="hanging", odd=["hangs"])  # fmt: skip
    ready = wait_for_line(process, " is ready at honest")
    lost = int(ready.split()[1])
    wait_for_line(process, ready.split()[-1].rstrip(".") + ", ")
    lose("hanging", lost)
    told = outcome(process, seconds=170)
    assert (told["done"], told["missing"]) == (12, [])
    check(work, "out", 12)
    (hangs,) = [one for one in told["providers"] if one["name"] == "hangs"]
    assert (hangs["done"], hangs["failed"]) == (0, 2)
    assert hangs["left"].startswith("it failed 2 times, last: it took longer than 5 s")


def test_where_two_must_agree_a_liar_is_found_out(job, work):
    told = outcome(
        job("--map", "0:6", "--file", "work.py", "--output", "out", "--verify", "2", "--", "python3", "work.py",
            "{item}", "0.3", name="lying", odd=["lies"]),
        seconds=170,
    )  # fmt: skip
    assert (told["done"], told["missing"]) == (6, [])
    check(work, "out", 6)
    liar = [one for one in told["providers"] if one["name"] == "lies"]
    assert all(one["left"] == "its result differs from what others came to" for one in liar)
    assert not any(one["left"] for one in told["providers"] if one["name"] != "lies")
    machines = [one for one in client.find("lying").state().machines if one.provider_id]
    assert machines
    assert all(one.wallet == one.provider_id.lower() for one in machines), "on this network each is paid to itself"


def test_sixty_sets_among_one_that_is_killed_one_that_hangs_and_one_that_lies(job, work, lose):
    process = job("--map", "0:60", "--file", "work.py", "--output", "out", "--workers", "4", "--verify", "2",
                  "--timeout", "4", "--", "python3", "work.py", "{item}", "0.05", name="sixty",
                  odd=["hangs", "lies"])  # fmt: skip
    ready = wait_for_line(process, " is ready at honest")
    wait_for_line(process, "5 of 60")
    lose("sixty", int(ready.split()[1]))
    told = outcome(process, seconds=170)
    assert (told["done"], told["missing"], told["failed"]) == (60, [], {})
    check(work, "out", 60)
    by_name = {one["name"]: one for one in told["providers"]}
    assert by_name["lies"]["left"] == "its result differs from what others came to"
    assert by_name["lies"]["done"] == 0, "it was never first with what two came to"
    assert history.read()[by_name["lies"]["id"]].last_failure, "and others are preferred for a day"
    assert not any(one["left"] for name, one in by_name.items() if name.startswith("honest"))
    assert by_name["hangs"]["done"] == 0
    done = [line.task for line in record.find("sixty").lines() if line.kind == "done"]
    assert sorted(done) == list(range(60)), "each once"


def test_a_users_own_program_refuses_results(job, work):
    (work / "right").write_text('#!/bin/sh\n[ "$(cat "$1/made.txt")" = "$2" ]\n')
    (work / "right").chmod(0o755)
    told = outcome(
        job("--map", "0:4", "--file", "work.py", "--output", "out", "--workers", "2", "--check", "./right", "--",
            "python3", "work.py", "{item}", "0", name="checked", odd=["lies"]),
        seconds=170,
    )  # fmt: skip
    assert (told["done"], told["missing"]) == (4, [])
    check(work, "out", 4)


@pytest.mark.timeout(max(600, 40 * KILLS))
def test_a_runner_that_is_killed_again_and_again_does_each_task_once(job, work):
    chance, tasks = random.Random(16), 10 * KILLS
    process = job("--map", f"0:{tasks}", "--file", "work.py", "--output", "out", "--workers", "2", "--", "python3",
                  "work.py", "{item}", "0.5", name="killed")  # fmt: skip
    killed = 0
    wait_for_line(process, f"1 of {tasks}")
    while killed < KILLS:
        time.sleep(chance.uniform(0, 2))
        process.kill()
        process.communicate()
        killed += 1
        process = job(resume="killed")
        wait_for_line(process, "The job is 'killed'")
        if chance.random() < 0.5:
            wait_for_line(process, " is ready at ")
    told = outcome(process, seconds=60 + 20 * KILLS)
    assert (told["done"], told["missing"]) == (tasks, [])
    check(work, "out", tasks)
    done = [line.task for line in record.find("killed").lines() if line.kind == "done"]
    assert sorted(done) == list(range(tasks)), "each once"
    assert not [path for path in (work / "out").iterdir() if path.name.startswith(".")]
    state = client.find("killed").state()
    assert state.stage.final
    assert Journal.read(client.find("killed").path).entries.closed


def test_when_the_budget_is_reached_nothing_is_rented_any_more_and_what_is_done_is_kept(job, work):
    """It pays for 72 seconds of two machines, and half a minute before that no more is risked."""
    budget = Decimal("0.0241")
    process = job("--map", "0:2000", "--file", "work.py", "--output", "out", "--workers", "2", "--hours", "0.02",
                  "--budget", str(budget), *(part for name in BY_TIME for part in ("--allow", name)), "--",
                  "python3", "work.py", "{item}", "0.5", name="poor")  # fmt: skip
    told = outcome(process, code=1, seconds=170)
    state, journal = client.find("poor").state(), Journal.read(client.find("poor").path)
    assert told["reason"] == "The budget of 0.0241 tGLM is used up."
    assert (told["failed"], told["done"] + len(told["missing"])) == ({}, 2000)
    assert 0 < Decimal(told["cost"]) == state.cost <= budget
    assert state.stage.final
    assert journal.entries.closed
    assert len(journal.entries.agreements) == 2, "nobody is asked for what there is no money for"
    done = [line.task for line in record.find("poor").lines() if line.kind == "done"]
    assert 0 < len(done) == len(set(done)) == told["done"]
    for number in done:
        assert (work / "out" / str(number) / "made.txt").read_text() == str(number)
    again = outcome(job(resume="poor"), code=1)
    assert again["done"] == told["done"]
    assert "too small" in again["reason"]
    assert again["cost"] == told["cost"]
