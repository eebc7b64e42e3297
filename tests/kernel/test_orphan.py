"""A kernel whose starter is gone."""

import os
import subprocess
import sys

from jupyter_client.connect import write_connection_file

from golem_launcher import paths

_SECONDS = 30

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
    process.wait(_SECONDS)
    process.stdin.write(b"go\n")
    process.stdin.close()
    with os.fdopen(reading, "rb") as output:
        reader = subprocess.Popen(["cat"], stdin=output, stdout=subprocess.PIPE)
        assert b"Error" not in reader.communicate(timeout=_SECONDS)[0]  # its end: all that held the pipe are gone
