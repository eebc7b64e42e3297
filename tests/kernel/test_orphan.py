"""A kernel whose starter is gone."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.connect import write_connection_file
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.events import Stage
from golem_launcher.kernel.connection_record import KernelRecord
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower

_SECONDS = 90
_END_SECONDS = 180

_LEAVE_A_KERNEL = """
import os, subprocess, sys
kernel = subprocess.Popen(
    ["sh", "-c", 'read _; exec "$@"', "sh", sys.executable, "-m", "golem_launcher.kernel", "-f", sys.argv[1]],
    stdin=0, env={**os.environ, "JPY_PARENT_PID": str(os.getpid())},
)
"""
"""Its starter ends before the kernel has begun: that waits for a line."""


def test_a_kernel_ends_whose_starter_was_killed_before_it_began(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    file, _ = write_connection_file(str(tmp_path / "kernel.json"), key=b"a key")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _LEAVE_A_KERNEL, file], stdin=subprocess.PIPE, stdout=writing, stderr=writing
    )
    os.close(writing)
    process.wait(_SECONDS * slower())
    process.stdin.write(b"go\n")
    process.stdin.close()
    with os.fdopen(reading, "rb") as output:
        reader = subprocess.Popen(["cat"], stdin=output, stdout=subprocess.PIPE)
        assert (
            b"Error" not in reader.communicate(timeout=_SECONDS * slower())[0]
        )  # its end: all that held the pipe are gone


_SHORT_GRACE = """
from golem_launcher.kernel import orphan
from golem_launcher.kernel.__main__ import main
orphan.GRACE_SECONDS = float("{seconds}")
main()
"""
_CONNECT_AND_STAY = """
import sys
from jupyter_client.manager import start_new_kernel
from tests.kernel.cells import Notebook
from tests.patience import slower
notebook = Notebook(*start_new_kernel(startup_timeout=180 * slower(), kernel_name=sys.argv[1]), None)
directory = notebook.connect()
notebook.run("x = 41")
print(directory.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed_jupyter(jupyter, network):  # noqa: ARG001 - both must be there
    """Has a program start a kernel and connect it, and kills the program; the session's directory."""

    def start(grace_seconds, *options):
        spec = jupyter / "data" / "kernels" / "golem-orphan"
        spec.mkdir(parents=True, exist_ok=True)
        code = _SHORT_GRACE.format(seconds=grace_seconds)
        described = {"argv": [sys.executable, "-c", code, "-f", "{connection_file}", *options], "language": "python"}
        (spec / "kernel.json").write_text(json.dumps({**described, "display_name": "x", "interrupt_mode": "message"}))
        program = subprocess.Popen(
            [sys.executable, "-c", _CONNECT_AND_STAY, spec.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        with program:
            try:
                name = program.stdout.readline().decode().strip()
            finally:
                program.kill()
        return started.enter_context(_stopped_at_the_end(session_directory(name)))

    with contextlib.ExitStack() as started:
        yield start


@contextlib.contextmanager
def _stopped_at_the_end(directory):
    yield directory
    client.stop(directory.name, force=True)


def _until_ended(directory):
    state = client.wait_for(directory, lambda state: state.stage.final, _END_SECONDS * slower())
    assert state is not None, directory.state()
    return state


@pytest.mark.slow
def test_a_session_whose_jupyter_was_killed_is_saved_and_ended_after_a_while(killed_jupyter):
    assert _until_ended(killed_jupyter(1)).stage is Stage.ENDED


@pytest.mark.slow
def test_a_notebook_takes_the_session_of_a_killed_jupyter_with_its_variables(killed_jupyter, open_notebook):
    directory = killed_jupyter(600)
    notebook = open_notebook()
    end = time.monotonic() + _SECONDS * slower()
    while "whose Jupyter was killed" not in (told := notebook.run("%status").text):  # it is noticed within a second
        assert directory.name in told
        assert time.monotonic() < end, told
    listed = CliRunner().invoke(app, ["list"]).stdout
    assert re.search(rf"{directory.name}: The Jupyter of its notebook was killed: it is saved and ended at ", listed)
    assert "variables are as they were" in notebook.run(f"%attach {directory.name}").text
    assert "Jupyter" not in CliRunner().invoke(app, ["list"]).stdout
    assert notebook.run("print(x + 1)").text.strip() == "42"
    assert "whose Jupyter was killed" not in open_notebook().run("%status").text
    assert directory.state().stage is Stage.READY
    notebook.run("%disconnect")
    assert directory.state().stage is Stage.ENDED


@pytest.mark.slow
def test_a_kept_session_goes_on_without_its_jupyter(killed_jupyter, open_notebook):
    directory = killed_jupyter(0, "--on-shutdown", "leave-running")
    for kernel in KernelRecord(Path("another")).others(directory.name):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(kernel.process.pid).wait(_SECONDS * slower())
    notebook = open_notebook()
    notebook.run(f"%attach {directory.name}")
    assert notebook.run("print(x + 1)").text.strip() == "42"
