import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from golem_launcher import files, paths, processes
from golem_launcher.errors import SessionError, SessionNameTaken, SessionNotFound
from golem_launcher.events import Message, Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client, timeouts
from golem_launcher.session.cleanup import housekeeping, leftovers, trash
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory, session_directory
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.saving.saves import Saves
from golem_launcher.session_state import MoveState, Saving, SessionState
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


ASK = """
from golem_launcher.session import client
from golem_launcher.session.on_disk import directory, liveness
try:
    liveness.control(directory.session_directory("a"), "state")
except Exception as error:
    print(type(error).__name__)
"""


def lives(directory, pid):
    files.write_json(directory.path / "supervisor.json", processes.ProcessRecord.of(pid).to_json())


def test_the_name_of_a_live_session_is_taken(sleeper):
    directory = create_session_directory(LaunchRequest(name="a"))
    lives(directory, sleeper.pid)
    assert liveness.alive(directory)
    with pytest.raises(SessionNameTaken, match="golem-launcher stop a"):
        client.start(LaunchRequest(name="a"))


def test_the_directory_of_an_ended_session_is_moved_aside():
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.workload_log.write_text("old")
    trash.put(directory)
    assert not directory.path.exists()
    (kept,) = (paths.sessions_directory() / ".ended").iterdir()
    assert (kept / "workload.log").read_text() == "old"
    with pytest.raises(SessionNotFound):
        session_directory("a")


def test_a_supervisor_that_died_early_leaves_a_failed_session_and_a_reason():
    directory = create_session_directory(LaunchRequest(name="a"))
    assert housekeeping.tidy() == ["a"]
    state = directory.state()
    assert state.stage is Stage.FAILED
    assert state.reason == "Its supervisor died; everything it had was closed down."
    assert state.ended_at is not None
    events, _ = directory.events()
    assert events[-1].stage is Stage.FAILED
    assert housekeeping.tidy() == []


def test_an_event_of_which_a_full_disk_kept_half_hides_no_other():
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.append_event(Message(text="one"))
    with (directory.path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "mess\n')
    directory.append_event(Message(text="two"))
    assert [event.text for event in directory.events()[0]] == ["one", "two"]


def test_what_is_owed_waits_for_the_node():
    directory = create_session_directory(LaunchRequest(name="a"))
    Journal.create(directory.path).update(allocation_timeout=datetime.now(UTC) + timedelta(hours=1))
    assert housekeeping.tidy() == ["a"]
    assert directory.state().reason.startswith("Its supervisor died, and the node does not run")
    assert Journal.read(directory.path).entries.owes


def test_what_a_removed_session_owes_is_not_forgotten():
    ended = paths.private_directory(paths.sessions_directory() / ".ended")
    for number in range(23):
        directory = create_session_directory(LaunchRequest(name="a"))
        if number == 0:  # the node was away when it was removed
            Journal.create(directory.path).update(allocation_timeout=datetime.now(UTC) + timedelta(hours=1))
            directory.path.rename(ended / "a-20260101-000000-000000")
        else:
            trash.put(directory)
    assert len(list(ended.iterdir())) == 21
    assert housekeeping.tidy() == ["a"]


def test_two_do_not_close_down_the_same_session():
    directory = create_session_directory(LaunchRequest(name="a"))
    descriptor = os.open(directory.lock, os.O_RDWR | os.O_CREAT)
    try:
        assert files.try_lock(descriptor)
        assert housekeeping.tidy() == []
    finally:
        os.close(descriptor)
    assert housekeeping.tidy() == ["a"]


def test_a_supervisor_that_says_nonsense_is_an_error():
    directory = create_session_directory(LaunchRequest(name="a"))
    with pytest.raises(SessionError, match="does not answer"):
        liveness.control(directory, "state")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(directory.control_socket))
        listener.listen()
        listener.settimeout(5)
        child = subprocess.Popen([sys.executable, "-c", ASK], stdout=subprocess.PIPE)
        connection, _ = listener.accept()
        connection.sendall(b"\x00not json\n")
        connection.close()
        assert child.communicate(timeout=20 * slower())[0].strip() == b"SessionError"


@pytest.fixture
def supervised(monkeypatch):
    """A session whose supervisor ends a second after it was told to by force; ``answers`` meanwhile, or is silent."""
    monkeypatch.setattr(timeouts, "SILENCE", 0.4)
    with contextlib.ExitStack() as stack:

        def begin(*, answers):
            directory = create_session_directory(LaunchRequest(name="a"))
            argv = [sys.executable, "-c", SUPERVISOR, str(directory.control_socket), directory.path, str(answers)]
            process = subprocess.Popen(argv)
            stack.callback(process.wait)
            stack.callback(process.kill)
            lives(directory, process.pid)
            while not directory.control_socket.exists():
                time.sleep(0.01)
            return directory

        yield begin


SUPERVISOR = """
import os, socket, sys, time
from pathlib import Path
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1] + "~")
    listener.listen()
    os.rename(sys.argv[1] + "~", sys.argv[1])
    connection, _ = listener.accept()
    end = time.monotonic() + 1
    listener.settimeout(0.1)
    while time.monotonic() < end or sys.argv[3] != "True":
        if sys.argv[3] == "True":
            connection.sendall(b'{"ok": true}\\n')
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            pass
state = Path(sys.argv[2], "state.json")
state.write_text(state.read_text().replace('"checking"', '"ended"'))
"""


def test_a_forced_end_that_takes_long_is_no_death(supervised):
    """A computer that is busy: it is not killed before its bill is written down, and not told as one that died."""
    directory = supervised(answers=True)
    state = client.stop("a", force=True)
    assert (state.stage, state.reason) == (Stage.ENDED, "")
    assert not alive(directory)


def test_one_that_hangs_is_killed_and_that_is_told(supervised):
    directory = supervised(answers=False)
    state = client.stop("a", force=True)
    assert state.stage is Stage.ENDED
    assert state.reason.startswith("Stopped as asked. It hung and was ended by force, without a last save; everything")
    assert not alive(directory)


LATE = """
import os, socket, sys, time
from pathlib import Path
time.sleep(0.5)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    connection, _ = listener.accept()
    asked = connection.makefile().readline()
    state = Path(sys.argv[2], "state.json")
    state.write_text(state.read_text().replace('"checking"', '"ended"' if sys.argv[3] in asked else '"failed"'))
    connection.sendall(b'{"ok": true}\\n')
"""


@pytest.mark.parametrize(("force", "word"), [(False, "stop"), (True, "abort")])
def test_a_session_that_was_started_a_moment_ago_hears_that_it_is_to_end(force, word):
    """Its supervisor does not listen yet; nobody would end it otherwise, and it would be paid for."""
    directory = create_session_directory(LaunchRequest(name="a"))
    argv = [sys.executable, "-c", LATE, str(directory.control_socket), directory.path, word]
    with subprocess.Popen(argv) as process:
        lives(directory, process.pid)
        try:
            assert client.stop("a", force=force, seconds=20).stage is Stage.ENDED
        finally:
            process.kill()


def test_whoever_ends_a_session_waits_for_somebody_who_is_at_it(monkeypatch):
    monkeypatch.setattr(leftovers, "_LOCK_SECONDS", 0.0)
    directory = create_session_directory(LaunchRequest(name="a"))
    descriptor = os.open(directory.lock, os.O_RDWR | os.O_CREAT)
    assert files.try_lock(descriptor)
    timer = threading.Timer(0.5, os.close, [descriptor])
    timer.start()
    assert housekeeping.tidy() == []
    assert client.stop("a").stage is Stage.FAILED
    timer.join()


def test_waiting_for_a_dead_supervisor_ends():
    directory = create_session_directory(LaunchRequest(name="a"))
    with pytest.raises(SessionError, match="died"):
        client.wait_for(directory, lambda _: False, 10)


@pytest.mark.parametrize(
    ("number", "stage", "of_session", "expected"),
    [
        (1, "switching", Stage.READY, False),
        (1, "done", Stage.RECOVERING, False),
        (1, "done", Stage.READY, True),
        (2, "searching", Stage.READY, False),
        (2, "done", Stage.READY, True),
        (2, "failed", Stage.READY, True),
    ],
)
def test_a_move_is_over_though_another_began_before_anybody_saw_that(number, stage, of_session, expected):
    move = MoveState(number=number, stage=stage)
    state = SessionState(name="a", network="local", stage=of_session, move=move)
    assert client.has_moved(state, 1) is expected


@pytest.mark.parametrize(("stage", "words"), [(Stage.READY, "goes on where it is. No"), (Stage.ENDED, "ended before")])
def test_whoever_waits_for_a_move_that_fails_is_told(stage, words):
    move = MoveState(number=1, stage="failed", reason="No other machine fits.")
    with pytest.raises(SessionError, match=words):
        client.has_moved(SessionState(name="a", network="local", stage=stage, move=move), 1)


def test_stopping_an_ended_session_changes_nothing():
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED, "reason": "done"}))
    assert client.stop("a").reason == "done"
    with pytest.raises(SessionNotFound):
        client.stop("b")


def test_a_session_is_described_in_one_object():
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.write_token("secret")
    value = client.describe(directory)
    assert json.loads(json.dumps(value)) == value
    wanted = {"cost", "budget", "machines", "allocation_id", "started_at", "deadline"}
    assert wanted | {"name", "stage", "url", "token", "provider", "network"} <= value.keys()
    assert value["url"] is None
    assert value["token"] is None


def test_a_session_that_has_only_begun_has_its_workspace_already(sleeper):
    for name, resume in [("first", "mine"), ("fresh", None)]:
        lives(create_session_directory(LaunchRequest(name=name, resume=resume)), sleeper.pid)
    for workspace, session in [("mine", "first"), ("fresh", "fresh")]:
        with pytest.raises(SessionError, match=f"'{session}' is saving into the workspace '{workspace}'"):
            client.start(LaunchRequest(name="second", resume=workspace))
    assert not (paths.sessions_directory() / "second").exists()
    assert liveness.claimed("s3://another/store") == {}


@pytest.mark.slow
@pytest.mark.parametrize("named", ["its own", "default", "by a link", "as an address"])
def test_a_workspace_into_which_a_session_saves_can_not_be_removed(sleeper, tmp_path, named):
    place = paths.home() / "workspaces"
    store = open_store()
    store.establish()
    store.commit("mine", [], Environment(), [])
    first = create_session_directory(LaunchRequest(name="mine", store=None if named == "its own" else str(place)))
    lives(first, sleeper.pid)
    link = tmp_path / "link"
    link.symlink_to(place)
    address = {"its own": str(place), "default": None, "by a link": str(link), "as an address": f"file://{place}/"}
    options = [] if address[named] is None else ["--store", address[named]]
    argv = [sys.executable, "-m", "golem_launcher.cli", "workspaces", "--remove", "mine", "--yes", *options]
    refused = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "The session 'mine' is saving into the workspace 'mine'." in refused.stderr
    assert "golem-launcher stop mine" in refused.stderr
    assert [each.number for each in store.generations("mine")] == [1]
    first.write_state(first.state().model_copy(update={"stage": Stage.ENDED}))
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0
    assert store.generations("mine") == []


@pytest.mark.parametrize(("free", "warned"), [(1_200_000_000, True), (1_400_000_000, False)])
def test_a_disk_that_is_nearly_full_is_told_at_the_start(monkeypatch, free, warned):
    directory = create_session_directory(LaunchRequest(name="mine"))
    recorder = Recorder(directory)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**12, used=10**12 - free, free=free))
    asyncio.run(Saves(directory, directory.request(), None, recorder).open())
    recorder.close()
    told = [event.line for event in directory.events()[0] if event.kind == "message" and event.level == "warning"]
    for words in (told, directory.state().notices):
        assert len(words) == warned
        assert not warned or f"The disk of {paths.home()} has only 1.1 GiB free." in words[0]
        assert not warned or "make room there" in words[0]


def test_a_folder_for_saves_is_where_the_user_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    wanted = {"saves": tmp_path / "saves", "../saves": tmp_path.parent / "saves", "~/saves": tmp_path / "me" / "saves"}
    for store, place in wanted.items():
        assert client.with_absolute_paths(LaunchRequest(name="a", store=store)).store == str(place)
    for store in ("s3://bucket/saves", None):
        assert client.with_absolute_paths(LaunchRequest(name="a", store=store)).store == store


def test_a_new_session_takes_no_workspace_into_which_another_saves(sleeper):
    first = create_session_directory(LaunchRequest(name="lab"))
    lives(first, sleeper.pid)
    first.write_state(first.state().model_copy(update={"saving": Saving(workspace="lab-2", store="", interval=5.0)}))
    directory = create_session_directory(LaunchRequest(name="lab-2"))  # nothing is saved as lab-2 yet
    recorder = Recorder(directory)
    asyncio.run(Saves(directory, directory.request(), None, recorder).open())
    recorder.close()
    assert directory.state().saving.workspace == "lab-2-2"
