"""A command that does not begin in time is over before anybody is told so, unless it has begun meanwhile."""

import os

import psutil
import pytest

from golem_launcher import files, paths, processes
from golem_launcher.errors import SessionError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE
from golem_launcher.tasks import background, record


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A job whose command takes longer than it is waited for."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(background, "_BEGIN_SECONDS", 0.0)
    return record.create("slow-to-begin", {})


def commands():
    return [one.pid for one in psutil.process_iter(["cmdline"]) if "slow-to-begin" in (one.info["cmdline"] or ())]


def test_a_command_that_is_too_slow_is_ended_before_it_is_said(slow):
    with pytest.raises(SessionError, match="does not begin"):
        background.begin(slow, "sweep")
    assert not commands()


def test_one_that_began_at_the_last_moment_has_begun(slow):
    session = create_session_directory(LaunchRequest(name=slow.name))
    files.write_json(session.path / SUPERVISOR_FILE, processes.ProcessRecord.of(os.getpid()).to_json())
    background.begin(slow, "sweep")
