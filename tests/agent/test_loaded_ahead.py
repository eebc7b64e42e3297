"""JupyterLab is loaded while files still arrive, and starts once they are there."""

import os
import signal
from pathlib import Path

import pytest

from tests.agent.conftest import eventually


def has_loaded(pid):
    """Whether a process has what JupyterLab alone needs."""
    return "zmq" in Path(f"/proc/{pid}/maps").read_text()


@pytest.fixture
def held(agent):
    """An agent whose JupyterLab has been loaded, and may not start yet."""
    late = agent.work.parent / "late"
    late.mkdir()
    agent.environment["PYTHONPATH"] = str(late)
    done = agent.start(hold=True)
    assert (done.returncode, done.stderr) == (0, "")
    _, lab = agent.manager_and_lab()
    eventually(lambda: has_loaded(lab))
    eventually(lambda: agent.ask("GET", "/health")[0] == 200)
    assert agent.get("/api/status")[0] == 0
    assert b"JupyterLab starts" not in agent.log()[0]
    return agent


def opened(agent):
    assert agent.ask("POST", "/open", body=b"{}")[0] == 200
    agent.answers()
    assert agent.log()[0].count(b"JupyterLab starts in") == 1
    return agent.manager_and_lab()[1]


def test_what_is_loaded_starts_once_the_files_are_there(held):
    _, lab = held.manager_and_lab()
    (held.work / "came.txt").write_text("came")
    assert opened(held) == lab
    assert held.get("/api/contents/came.txt")[0] == 200


def test_what_was_loaded_before_packages_came_is_not_used(held):
    _, lab = held.manager_and_lab()
    (held.work.parent / "late" / "package.py").touch()
    assert opened(held) != lab
    assert b"crashed" not in held.log()[0]


def test_what_ends_while_it_waits_is_loaded_again(held):
    _, lab = held.manager_and_lab()
    os.kill(lab, signal.SIGKILL)
    eventually(lambda: lab not in held.processes())
    _, other = held.manager_and_lab()
    eventually(lambda: has_loaded(other))
    assert opened(held) == other


def test_what_waits_ends_with_its_agent(held):
    manager, lab = held.manager_and_lab()
    os.kill(manager, signal.SIGKILL)
    eventually(lambda: lab not in held.processes())
