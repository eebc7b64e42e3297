"""What a command loads ahead becomes the supervisor of its session, as one that was started by its own command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher import paths
from golem_launcher.cli import entry
from golem_launcher.events import Stage
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.supervision import fork_server, loaded_ahead
from tests.patience import slower
from tests.session.conftest import HONEST, command, wait_for
from tests.session.supervision.test_fork_server import environment, held, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.processes import ProcessRecord
    from golem_launcher.session.on_disk.directory import SessionDirectory

pytestmark = pytest.mark.slow

_SECONDS = 30


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    yield
    left, loaded_ahead._OfThisProgram.begun = loaded_ahead._OfThisProgram.begun, None
    if left is not None:
        left.connection.close()
        until(lambda: not left.record.alive())


def begun() -> ProcessRecord:
    loaded_ahead.begin()
    assert loaded_ahead._OfThisProgram.begun is not None
    return loaded_ahead._OfThisProgram.begun.record


def taken(directory: SessionDirectory, **more: str) -> ProcessRecord | None:
    return loaded_ahead.take(
        directory.name, environment={**environment(), **more}, log=directory.supervisor_log, cwd=directory.path
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("when", ["it loads", "all is loaded"])
def test_it_becomes_what_is_started_by_the_supervisors_command(when):
    process = psutil.Process(begun().pid)
    if when == "all is loaded":
        until(lambda: process.status() == psutil.STATUS_SLEEPING and process.cpu_times().user > 0.2)
    with held("of-a-rather-long-name") as directory:
        record = taken(directory, TOLD="this")
        assert record is not None
        assert record.pid == process.pid
        until(lambda: Path(f"/proc/{record.pid}/comm").read_text() == "of-a-rather-lon\n")
        assert os.getsid(record.pid) == record.pid
        assert process.cwd() == str(directory.path)
        descriptors = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{record.pid}/fd").iterdir()}
        assert descriptors[0] == os.devnull
        assert {descriptors[1], descriptors[2]} == {str(directory.supervisor_log)}
        assert not [target for target in descriptors.values() if target.startswith("socket:")]
        assert liveness.strays() == {directory.name: record}
        assert taken(directory) is None  # it is one session's
    until(lambda: not record.alive())
    assert directory.supervisor_log.read_bytes() == b""


@pytest.mark.usefixtures("home")
def test_it_does_not_outlive_a_command_that_is_killed():
    program = (
        "import sys, time\n"
        "from golem_launcher.session.supervision import loaded_ahead\n"
        "loaded_ahead.begin()\n"
        "print(loaded_ahead._OfThisProgram.begun.record.pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        loads = psutil.Process(int(process.stdout.readline()))
        process.kill()
    loads.wait(_SECONDS * slower())


@pytest.mark.usefixtures("home")
def test_one_with_other_settings_is_done_without():
    record = begun()
    with held("a") as directory:
        assert taken(directory, PYTHONOTHER="1") is None
    until(lambda: not record.alive())


@pytest.mark.usefixtures("home")
def test_one_that_was_killed_is_done_without():
    record = begun()
    record.signal(signal.SIGKILL)
    until(lambda: not record.alive())
    with held("a") as directory:
        assert taken(directory) is None


@pytest.mark.usefixtures("home")
def test_one_that_has_waited_for_long_is_done_without(monkeypatch):
    record = begun()
    later = time.monotonic() + loaded_ahead._TAKEN_SECONDS
    with held("a") as directory, monkeypatch.context() as clock:
        clock.setattr(loaded_ahead.time, "monotonic", lambda: later)
        assert taken(directory) is None
    until(lambda: not record.alive())


@pytest.mark.usefixtures("home")
def test_one_at_a_time_is_begun_and_another_where_it_is_gone_or_waited_for_long(monkeypatch):
    first = begun()
    assert begun() == first
    first.signal(signal.SIGKILL)
    until(lambda: not first.alive())
    second = begun()
    assert second != first
    later = time.monotonic() + loaded_ahead._TAKEN_SECONDS
    with monkeypatch.context() as clock:
        clock.setattr(loaded_ahead.time, "monotonic", lambda: later)
        assert begun() != second
    until(lambda: not second.alive())


@pytest.mark.usefixtures("home")
def test_none_is_begun_where_supervisors_are_forked():
    fork_server.begin(environment())
    try:
        loaded_ahead.begin()
        assert loaded_ahead._OfThisProgram.begun is None
    finally:
        fork_server.end()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["start", "--wait"], True),
        (["run", "--", "echo"], True),
        (["start", "--help"], False),
        (["show", "start"], False),
        ([], False),
    ],
)
def test_commands_that_start_a_session_begin_it_first(monkeypatch, arguments, begins):
    told = []
    monkeypatch.setattr(loaded_ahead, "begin", lambda: told.append("begun"))
    monkeypatch.setattr("golem_launcher.cli.main.main", lambda: told.append("command"))
    monkeypatch.setattr(sys, "argv", ["golem-launcher", *arguments])
    before = signal.getsignal(signal.SIGINT)
    try:
        entry.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == (["begun", "command"] if begins else ["command"])


def test_a_session_that_a_command_starts(begin):
    """It runs, saves, and ends as any other."""
    fork_server.end()  # the tests' own
    name = begin(memory_gib=HONEST).name
    assert command("stop", name, "--force")[0] == 0
    assert command("start", "--name", name, "--mem", str(HONEST), "--disk", "0.5", "--budget", "5")[0] == 0
    directory = session_directory(name)
    wait_for(directory, lambda state: state.stage is Stage.READY, 90)
    record = liveness.supervisor(directory)
    assert record is not None
    assert psutil.Process(record.pid).cmdline()[1:] == loaded_ahead.command()[1:]
    assert command("save", name)[0] == 0
    assert command("stop", name)[0] == 0
    assert directory.state().stage is Stage.ENDED
    until(lambda: not record.alive())
