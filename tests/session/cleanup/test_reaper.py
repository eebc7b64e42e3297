"""Whatever ends a supervisor, somebody waits for that: nothing is left to a command that nobody may give."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from golem_launcher import files, own_modules, paths
from golem_launcher.events import Stage
from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.processes import ProcessRecord
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import leftovers, reaper, trash
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.suspension import caretaker_process
from golem_launcher.session_state import Saving
from tests.patience import slower
from tests.session.suspension.test_caretaker import ask, free_address, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory

_SECONDS = 30
_SUPERVISOR = """
import subprocess, sys
from golem_launcher.session.cleanup import reaper
from golem_launcher.session.on_disk.directory import session_directory
with reaper.at_hand(session_directory("mine")):
    subprocess.Popen(["sleep", "60"], close_fds=False)  # what it starts may outlive it
    print("works", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionDirectory]:
    """A session that is ready, saved, and owes nothing."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="mine"))
    saving = Saving(workspace="mine", generation=3, saved_at=datetime.now(UTC))
    more = {"stage": Stage.READY, "address": free_address(), "saving": saving}
    directory.write_state(directory.state().model_copy(update=more))
    yield directory
    parked_address.leave_ended()
    caretaker_process.end()


@pytest.fixture
def supervisor(directory: SessionDirectory) -> Iterator[subprocess.Popen[str]]:
    """What runs as its supervisor, until it is told a line."""
    command = [sys.executable, "-c", _SUPERVISOR]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=directory.path, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "works\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)  # what it has started
    process.communicate()


def at_it(directory: SessionDirectory) -> ProcessRecord:
    record = ProcessRecord.from_json(files.read_json(directory.path / "reaper.json"))
    assert record is not None
    return record


def wait_until_gone(record: ProcessRecord) -> None:
    end = time.monotonic() + _SECONDS * slower()
    while record.alive():
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.02)


def test_a_supervisor_that_is_killed_is_told_of_at_once(
    directory: SessionDirectory, supervisor: subprocess.Popen[str]
) -> None:
    address = str(directory.state().address)
    supervisor.kill()
    wait_until_gone(at_it(directory))
    state = directory.state()
    assert (state.stage, state.address) == (Stage.FAILED, None)
    assert "Its supervisor died" in state.reason
    assert "is saved (save 3)." in state.reason
    wait(address, answers=True)
    status, page = ask(f"{address}/lab")
    assert (status, "golem-launcher start --resume mine" in page) == (410, True)


def test_an_orderly_end_needs_nobody(directory: SessionDirectory, supervisor: subprocess.Popen[str]) -> None:
    waits = at_it(directory)
    assert waits.alive()
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED, "reason": "Stopped as asked."}))
    assert supervisor.stdin is not None
    supervisor.stdin.write("the end\n")
    supervisor.stdin.flush()
    supervisor.wait(_SECONDS * slower())  # not until its output ends, which what it has started holds open
    wait_until_gone(waits)
    assert directory.state().reason == "Stopped as asked."
    assert directory.supervisor_log.read_text() == ""


def test_who_kills_a_supervisor_that_hangs_ends_its_reaper_first(
    directory: SessionDirectory, supervisor: subprocess.Popen[str]
) -> None:
    reaper.end(directory)
    wait_until_gone(at_it(directory))
    supervisor.kill()
    assert leftovers.close(directory, start_node=False, death=leftovers.KILLED)
    assert directory.state().stage is Stage.ENDED


def test_a_session_is_finished_wherever_it_lies_by_then(directory: SessionDirectory) -> None:
    """It made room for another one of its name, which is no business of this one's reaper."""
    aside = directory.path.with_name("aside")
    directory.path.rename(aside)
    other = create_session_directory(LaunchRequest(name="mine"))
    environment = {**os.environ, **paths.variables()}
    subprocess.run(
        own_modules.command("golem_launcher.session.cleanup.reaper", "mine"), cwd=aside, env=environment, check=True
    )
    assert trash.SessionDirectory(aside).state().stage is Stage.FAILED
    assert other.state().stage is Stage.CHECKING


def test_nothing_is_paid_for_time_long_after_a_supervisors_last_sign(directory: SessionDirectory) -> None:
    """This computer was off for a day: a provider may bill what it likes."""
    began = datetime.now(UTC) - timedelta(days=1)
    price = Price(
        start=Decimal(0), per_second=Decimal("0.001"), per_cpu_second=Decimal(0), threads=1, counters=(DURATION, CPU)
    )
    entry = AgreementEntry(
        agreement_id="a", provider_id="0x1", provider_name="attic", price=price, activity_id="b", started_at=began
    )
    journal = Journal.create(directory.path)
    journal.add_agreement(entry)
    journal.update(demanded=True, network="a network that is away")
    directory.write_state(directory.state().model_copy(update={"network": "a network that is away"}))
    for file in (directory.state_file, directory.path / "journal.json"):
        os.utime(file, (began.timestamp(), began.timestamp()))
    assert leftovers.close(directory, start_node=False)
    after = Journal.read(directory.path)
    assert after is not None
    (agreement,) = after.entries.agreements
    assert agreement.ended_at is not None
    assert agreement.ended_at - began < timedelta(minutes=16)
    assert agreement.acceptable() < Decimal("0.001") * 60 * 16
    refusal = agreement.objection("an invoice", Decimal(80))
    assert refusal is not None
    assert not refusal.dishonest, "it may have gone on in good faith"
