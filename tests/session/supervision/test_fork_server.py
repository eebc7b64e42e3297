"""Supervisors that are forked: as those that are started by their command, and nothing depends on who forked them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher import files, paths
from golem_launcher.events import Stage
from golem_launcher.processes import ProcessRecord
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.supervision import fork_server
from golem_launcher.session.supervision.becoming import FRUGAL
from tests.patience import slower
from tests.session.conftest import HONEST, command, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from golem_launcher.session.on_disk.directory import SessionDirectory

pytestmark = pytest.mark.slow

_SECONDS = 30


@pytest.fixture
def home(tmp_path, monkeypatch, sleeper) -> Path:
    """A launcher's directory in which one session runs; of the supervisors that follow the state says that they end."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    record = ProcessRecord.of(sleeper.pid).to_json()
    files.write_json(create_session_directory(LaunchRequest(name="runs")).path / "supervisor.json", record)
    return tmp_path / "home"


def environment() -> dict[str, str]:
    return {**FRUGAL, **os.environ, **paths.variables()}


@pytest.fixture
def server(home: Path) -> Iterator[ProcessRecord]:
    fork_server.begin(environment())
    record = ProcessRecord.from_json(files.read_json(home / "sessions" / ".fork-server.json"))
    assert record is not None
    try:
        until(paths.socket_path(home / "sessions", "fork-server.sock").exists)
        yield record
    finally:
        fork_server.end()
        until(lambda: not record.alive())


def until(true: Callable[[], object], seconds: float = _SECONDS) -> None:
    end = time.monotonic() + seconds * slower()
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def forked(directory: SessionDirectory, **more: str) -> ProcessRecord | None:
    return fork_server.fork(
        directory.name, environment={**environment(), **more}, log=directory.supervisor_log, cwd=directory.path
    )


@contextlib.contextmanager
def held(name: str) -> Iterator[SessionDirectory]:
    """A session that is over, whose lock somebody holds: its supervisor waits for that, then finds nothing to do."""
    directory = create_session_directory(LaunchRequest(name=name))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
    with files.locked(directory.lock, deadline=1):
        yield directory


@pytest.mark.usefixtures("server")
def test_what_is_forked_is_as_what_was_started(home):
    with held("of-a-rather-long-name") as directory:
        record = forked(directory, TOLD="this")
        assert record is not None
        files.write_json(directory.path / "supervisor.json", record.to_json())
        assert liveness.alive(directory)
        until(lambda: Path(f"/proc/{record.pid}/comm").read_text() == "of-a-rather-lon\n")
        process = psutil.Process(record.pid)
        assert os.getsid(record.pid) == record.pid
        assert process.cwd() == str(directory.path)
        descriptors = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{record.pid}/fd").iterdir()}
        assert descriptors[0] == os.devnull
        assert {descriptors[1], descriptors[2]} == {str(directory.supervisor_log)}
        assert not [target for target in descriptors.values() if target.startswith("socket:") or ".fork" in target]
        assert process.num_threads() == 1
        directory.path.rename(home / "gone")  # at once: it may be writing there
        assert liveness.strays() == {directory.name: record}
    until(lambda: not record.alive())


def test_its_end_harms_nothing_that_it_forked(server):
    with held("a") as directory:
        record = forked(directory)
        assert record is not None
        server.signal(signal.SIGKILL)
        until(lambda: not server.alive())
        assert record.alive()
        assert forked(directory) is None
        fork_server.begin(environment())  # in the place of the one that was killed
        until(lambda: forked(directory) is not None)


def test_one_that_hangs_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(fork_server, "_ANSWER_SECONDS", 0.1)
    server.signal(signal.SIGSTOP)
    try:
        with held("a") as directory:
            assert forked(directory) is None
    finally:
        server.signal(signal.SIGCONT)


def test_one_made_of_older_code_or_other_settings_leaves(server):
    with held("a") as directory:
        assert forked(directory, PYTHONOTHER="1") is None
        until(lambda: not server.alive())


@pytest.mark.usefixtures("server")
def test_what_is_nonsense_is_passed_over(home):
    for line in (b"", b"\n", b"[]\n", b'{"name": 1}\n', b"\xff" * 100):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(paths.socket_path(home / "sessions", "fork-server.sock")))
            connection.sendall(line)
    with held("a") as directory:
        assert forked(directory) is not None


def test_it_leaves_when_no_session_has_run_for_a_while(server, home):
    (home / "sessions" / "runs" / "supervisor.json").unlink()
    with held("next") as directory:
        assert forked(directory) is not None
    until(lambda: not server.alive(), fork_server.STAYS_SECONDS + _SECONDS)


def test_it_leaves_at_once_where_there_are_no_sessions_any_more(server, home):
    record = server
    shutil.rmtree(home)
    until(lambda: not record.alive(), fork_server.STAYS_SECONDS / 2)


@pytest.mark.slow
def test_three_sessions_of_which_the_last_is_forked(begin):
    """The third one runs, saves, and ends as any other."""
    place = paths.socket_path(paths.sessions_directory(), "fork-server.sock")
    fork_server.end()  # the tests' own
    place.unlink(missing_ok=True)
    first, second = (begin(memory_gib=HONEST) for _ in range(2))
    until(place.exists)
    third = begin(memory_gib=HONEST)
    for directory in (first, second, third):
        wait_for(directory, lambda state: state.stage is Stage.READY, 90)
    record = liveness.supervisor(third)
    assert record is not None
    assert psutil.Process(record.pid).cmdline()[1:] == fork_server.command()[1:]
    assert command("save", third.name)[0] == 0
    for directory in (first, second, third):
        assert command("stop", directory.name)[0] == 0
    assert third.state().stage is Stage.ENDED
    until(lambda: not record.alive())
