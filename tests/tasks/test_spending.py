"""A job's budget is one for all of its sessions, wherever their records are by now."""

import asyncio
import contextlib
import functools
import os
import shutil
from datetime import timedelta
from decimal import Decimal

import pytest

from golem_launcher import files, paths
from golem_launcher.errors import UsedUp
from golem_launcher.events import Stage, now
from golem_launcher.processes import ProcessRecord
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import deleted_bills, trash
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE
from golem_launcher.tasks import record, spending
from golem_launcher.tasks.attempts import AttemptLines
from golem_launcher.tasks.record import JobRecord
from golem_launcher.tasks.runner import Runner
from golem_launcher.tasks.scheduler import Scheduler


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job that was begun a moment ago."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    created = record.create("mine", {})
    with contextlib.closing(JobRecord(created)) as written:
        AttemptLines(written)
    return created


def ended(cost, name="mine", workload="tasks", **fields):
    directory = create_session_directory(LaunchRequest(name=name, budget=5))
    changes = {"stage": Stage.ENDED, "cost": Decimal(cost), "workload": workload, **fields}
    directory.write_state(directory.state().model_copy(update=changes))
    return directory


def test_sessions_that_are_off_the_list_count_and_each_of_them_once(job):
    ended("7", name="other")
    ended("9", name="mine-20")
    for cost in ("1", "2"):
        trash.put(ended(cost))
    assert spending.spent(job) == 3
    ended("0.5")
    assert [spending.spent(job) for _ in range(2)] == [Decimal("3.5"), Decimal("3.5")]
    assert len([line for line in job.lines() if line.kind == "cost"]) == 3


def test_a_session_whose_files_are_deleted_counts(job):
    directory = ended("4.5")
    deleted_bills.note(directory)
    shutil.rmtree(directory.path)
    assert spending.spent(job) == Decimal("4.5")


def test_what_had_the_jobs_name_before_and_what_is_no_job_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    for cost in ("1", "7"):
        trash.put(ended(cost))
    job = record.create("mine", {})
    assert spending.spent(job) == 0
    assert spending.left(job, LaunchRequest(budget=5)) == 5, "another job's costs use nothing of it up"
    with contextlib.closing(JobRecord(job)) as written:
        AttemptLines(written)
    trash.put(ended("2", workload="lab"))
    assert spending.spent(job) == 0


def test_what_had_the_jobs_name_before_and_still_ends_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    before = ended("3", stage=Stage.STOPPING)
    files.write_json(before.path / SUPERVISOR_FILE, ProcessRecord.of(os.getpid()).to_json())
    job = record.create("mine", {})
    assert spending.left(job, LaunchRequest(budget=5)) == 5
    with contextlib.closing(JobRecord(job)) as written:
        AttemptLines(written)
    (before.path / SUPERVISOR_FILE).unlink()  # it has ended
    assert spending.spent(job) == 0


def test_a_session_counts_that_was_begun_after_the_clock_was_set_back(job):
    """A second computer's clock, a flat battery, a slip: what it cost is spent all the same."""
    ended("1", created_at=now() - timedelta(days=365))
    assert spending.spent(job) == 1
    assert spending.left(job, LaunchRequest(budget=5)) == 4


def test_one_that_was_just_ending_counts_for_the_next(job):
    """Ctrl-C twice and --resume: the session before still ends as it is reckoned what is left."""
    request = LaunchRequest(name="mine", budget=5, workload="tasks", save=False)
    left = functools.partial(spending.left, job, request)
    runner = Runner(request, Scheduler([0]), None, incoming=job.incoming, left=left)
    assert left() == 5
    ended("5")  # then
    with pytest.raises(UsedUp):
        asyncio.run(runner.run())


def test_one_that_could_not_be_closed_down_may_cost_all_of_its_budget_until_it_is(job):
    directory = ended("0.1", network="one that is no more")
    journal = Journal.create(directory.path)
    journal.update(demanded=True)
    assert spending.spent(job) == 5
    journal.update(closed=True)
    assert spending.spent(job) == Decimal("0.1")
