"""A session whose directory is taken from under it is saved, ends in order, and is found meanwhile."""

import asyncio
import shutil
import subprocess
import sys

import pytest

from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory, session_directory
from golem_launcher.session.on_disk.directory_repair import DirectoryRepair
from golem_launcher.session.supervision import fork_server
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower
from tests.session.conftest import HONEST, command, explain, wait_for
from tests.session.ending import wait_for_end
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow
_MOUNTS = (
    shutil.which("nsenter")
    and shutil.which("unshare")
    and not subprocess.call(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL)
)


def type_something(directory):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            await jupyter.execute("open('last.txt', 'w').write('last')")

    asyncio.run(talk())


@pytest.mark.parametrize("how", ["deleted", "moved away"])
def test_it_is_saved_and_ends_in_order_and_is_found_meanwhile(ready, node, tmp_path, how):
    directory = ready(save_seconds=3600)

    type_something(directory)
    agreements = Journal.read(directory.path).entries.agreements
    if how == "deleted":
        shutil.rmtree(directory.path, ignore_errors=True)
    else:
        directory.path.rename(tmp_path / "elsewhere")
    assert directory.name in {session["name"] for session in command("list", "--json")[1]}
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert wait_for_end(directory, 20)
    assert state.stage is Stage.ENDED, explain(directory)
    assert f"Its directory {directory.path} was deleted, so it was ended." in state.reason
    assert "not" not in state.reason.partition("ended.")[2]  # everything was closed down
    assert {entry.path for entry in open_store().manifest(directory.name).entries} >= {"last.txt"}
    entries = Journal.read(directory.path).entries
    assert entries.closed
    assert [entry.agreement_id for entry in entries.agreements] == [entry.agreement_id for entry in agreements]
    node.holds_nothing_of(entries)


def test_stop_finds_a_session_by_its_process(ready):
    directory = ready()
    shutil.rmtree(directory.path, ignore_errors=True)  # its supervisor may write meanwhile
    assert client.stop(directory.name).stage is Stage.ENDED
    assert liveness.strays() == {}
    assert (paths.sessions_directory() / directory.name / "request.json").is_file()


@pytest.mark.skipif(not _MOUNTS, reason="needs mounts of its own (root, unshare and nsenter)")
def test_one_that_became_read_only_is_saved_and_ends_in_order(node):
    """For its supervisor alone, which lives among mounts of its own: root may write wherever a mode forbids it."""
    fork_server.end()  # it would live among those of all others
    argv = [sys.executable, "-m", "golem_launcher.cli", "start", "--name", "shut", "--wait", "--mem", str(HONEST)]
    started = subprocess.run(
        ["unshare", "--mount", *argv, "--disk", "0.5", "--save-seconds", "3600"],
        capture_output=True,
        text=True,
        timeout=120 * slower(),
        check=False,
    )
    directory = session_directory("shut")
    try:
        assert started.returncode == 0, started.stderr
        type_something(directory)
        entries = Journal.read(directory.path).entries
        mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
        inside = ["nsenter", f"--target={liveness.supervisor(directory).pid}", "--mount"]
        subprocess.run([*inside, "/bin/sh", "-c", mount, "sh", str(directory.path)], check=True, timeout=20 * slower())
        assert wait_for_end(directory, 90)
        assert {entry.path for entry in open_store().manifest("shut").entries} >= {"last.txt"}
        assert "can't be written to any more, so it was ended" in directory.supervisor_log.read_text()
        node.holds_nothing_of(entries)
    finally:
        client.stop("shut", force=True)
    assert directory.state().stage.final


def test_a_directory_that_can_not_be_written_to_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="guarded"))
    with directory.lock.open("w") as lock:
        ground = DirectoryRepair(directory, directory.request(), lock.fileno())
        assert not ground.gone
        assert not ground.shut
        monkeypatch.setattr("os.access", lambda *_: False)
        assert ground.shut
