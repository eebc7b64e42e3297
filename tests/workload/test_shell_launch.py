"""The command that starts Python over there, in the shells that images have, with no variable set."""

import shutil
import subprocess
import sys

import pytest

from golem_launcher.workload import shell_launch
from tests.patience import slower

_TELL = "import os, sys; print(sys.executable); print(sorted(os.environ)); print(os.environ['PATH'].split(':')[0])"
SHELLS = [["/bin/sh"], ["/bin/bash"], ["/bin/busybox", "sh"]]


def run(shell, *arguments, **environment):
    _, *rest = shell_launch.python(*arguments)
    return subprocess.run(
        [*shell, *rest], env=environment, capture_output=True, text=True, timeout=30 * slower(), check=False
    )


@pytest.fixture(params=SHELLS, ids=["sh", "bash", "busybox"])
def shell(request):
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"no {request.param[0]} here")
    return request.param


def test_python_is_found_and_programs_get_what_they_expect(shell):
    done = run(shell, "-c", _TELL)
    assert done.returncode == 0, done.stderr
    executable, variables, _ = done.stdout.splitlines()
    assert executable.endswith("/python3")
    assert all(repr(name) in variables for name in ("HOME", "LANG", "PATH"))
    assert done.stderr.splitlines()[0] == shell_launch.SHELL_RUNS


def test_what_a_runtime_passes_goes_first_and_a_python_with_jupyterlab_before_others(shell, tmp_path):
    plain, lab = tmp_path / "a place", tmp_path / "lab*"
    for place in (plain, lab):
        place.mkdir()
        (place / "python3").write_text(f'#!/bin/sh\necho "{place}" "$HOME" "$@"\n')
        (place / "python3").chmod(0o755)
    assert run(shell, "x y", PATH=str(plain), HOME="/h").stdout == f"{plain} /h x y\n"
    (lab / "jupyter-lab").symlink_to(sys.executable)
    assert run(shell, "x", PATH=f"{plain}:{lab}", HOME="/h").stdout == f"{lab} /h x\n"
