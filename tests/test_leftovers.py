"""What a run of tests started ends with it, also when the run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.patience import slower

_ROOT = Path(__file__).resolve().parent.parent
_RUN = """
import os, subprocess, sys

def test_that_leaves_a_daemon_and_hangs():
    daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
    sys.stderr.write(f"{daemon.pid}\\n")
    sys.stdin.read()
"""


def test_a_daemon_ends_with_the_run_that_is_killed(tmp_path):
    file = tmp_path / "test_hanging.py"
    file.write_text(_RUN)
    options = ["-q", "-s", "-p", "tests.leftovers", "--rootdir", tmp_path, "-c", os.devnull]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, file],
        cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with run:
        daemon = psutil.Process(int(run.stderr.readline()))
        assert daemon.is_running()
        run.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([daemon], timeout=30 * slower()) == ([daemon], [])
