"""What a supervisor tells of its session, also where the disk has not taken it or the supervisor stands still."""

import asyncio
import os
import shutil
import signal

import pytest

from golem_launcher.cli.sessions.formatting import session_lines
from golem_launcher.events import Stage, now
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session_state import MachineState
from tests.patience import slower


def test_what_the_disk_does_not_take_is_told_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="full"))
    recorder = Recorder(directory)
    shutil.rmtree(directory.path)
    recorder.enter(Stage.NEGOTIATING)
    asyncio.run(recorder.flush())
    told = recorder.told()
    assert told.stage is Stage.NEGOTIATING
    assert "No such file or directory" in told.trouble
    assert ("trouble", told.trouble) in session_lines(told, None)
    directory.path.mkdir()
    recorder.enter(Stage.READY)
    asyncio.run(recorder.flush())
    recorder.close()
    assert recorder.told().trouble == ""


def test_a_session_that_is_being_ended_is_not_told_any_more_that_it_will_be(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    recorder = Recorder(create_session_directory(LaunchRequest(name="unused")))
    recorder.enter(Stage.READY)
    recorder.update(idle="Nothing has happened here for 60 s.", idle_ends_at=now())
    recorder.enter(Stage.SAVING)
    recorder.close()
    assert (recorder.state.idle, recorder.state.idle_ends_at) == ("", None)


def test_a_session_that_is_being_ended_looks_for_no_machine_any_more(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    recorder = Recorder(create_session_directory(LaunchRequest(name="pool", machines=2)))
    without = MachineState(number=2, trouble="No machine fits. A provider is looked for again in 60 s.")
    recorder.update(machines=(MachineState(number=1), without))
    recorder.enter(Stage.READY)
    assert recorder.state.machines[1].trouble == without.trouble
    recorder.enter(Stage.STOPPING)
    recorder.close()
    assert recorder.state.machines[1].trouble == ""


def test_what_else_is_told_of_a_stage_is_no_other_try_at_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    recorder = Recorder(create_session_directory(LaunchRequest(name="again")))
    recorder.enter(Stage.READY)
    recorder.enter(Stage.RECOVERING, "attic was lost.", same_try=True)
    recorder.enter(Stage.RECOVERING, "Another provider makes ready.", same_try=True)
    assert recorder.state.reason == "Another provider makes ready."
    assert [stage for stage, _ in recorder.state.stages] == [Stage.READY, Stage.RECOVERING]
    recorder.enter(Stage.RECOVERING, "Looking for another provider.")
    recorder.close()
    assert [stage for stage, _ in recorder.state.stages] == [Stage.READY, *[Stage.RECOVERING] * 2]


@pytest.mark.slow
def test_a_supervisor_that_stands_still_or_whose_record_is_damaged_is_found(ready):
    directory = ready()
    supervisor = liveness.supervisor(directory)
    os.kill(supervisor.pid, signal.SIGSTOP)
    try:
        assert liveness.state_of(directory).trouble == liveness.SILENT
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)
    state = client.wait_for(directory, lambda _: liveness.state_of(directory).trouble == "", 30 * slower())
    assert state is not None

    (directory.path / "supervisor.json").write_text("[]")  # a damaged record hides no process
    assert client.damaged(directory) == ["supervisor.json"]
    assert liveness.state_of(directory).stage is Stage.READY
    assert client.stop(directory.name).stage is Stage.ENDED
    assert not liveness.alive(directory)
