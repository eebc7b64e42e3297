"""Programs that know nothing of us, on the local network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.node.yagna import free_port

if TYPE_CHECKING:
    from golem_launcher.localnet import network

PROGRAMS = Path(__file__).parent / "programs"
RUN = [sys.executable, "-c", "from golem_launcher.cli.main import main; main()", "localnet", "run", "--"]


def run(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        [*RUN, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_environment_and_exit_code(troupe: network.LocalNetwork, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os.environ['MINE'] = 'ran'")
    show = "import json, os, sys; print(json.dumps(dict(os.environ))); sys.exit(7)"
    ended = run(sys.executable, "-c", show, env={"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 7
    variables = json.loads(ended.stdout)
    assert variables["YAGNA_API_URL"] == troupe.node.api_url
    assert variables["YAGNA_APPKEY"] == troupe.node.app_key
    assert variables["GSB_URL"] == troupe.node.gsb_url
    assert variables["PYTHONPATH"].endswith(str(tmp_path))
    assert variables["MINE"] == "ran"  # a sitecustomize of the user's own still does its work


def test_a_signal_reaches_the_program(troupe: network.LocalNetwork) -> None:
    assert troupe.providers
    child = subprocess.Popen([*RUN, "sh", "-c", "echo up; exec sleep 60"], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM


def test_a_program_that_is_not_there(troupe: network.LocalNetwork) -> None:
    assert troupe.providers
    ended = run("no-such-program")
    assert ended.returncode == 1
    assert "no-such-program can't be run" in ended.stderr
    assert run().returncode == 2


@pytest.mark.slow
def test_a_task_with_files(troupe: network.LocalNetwork, tmp_path: Path) -> None:
    assert troupe.providers
    (tmp_path / "given.txt").write_text("some text")
    ended = run(sys.executable, "-W", "ignore", str(PROGRAMS / "task.py"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "output: SOME TEXT" in ended.stdout
    assert "file: SOME TEXT" in ended.stdout


@pytest.mark.slow
def test_a_service_behind_the_vpn(troupe: network.LocalNetwork, tmp_path: Path) -> None:
    assert troupe.providers
    ended = run(sys.executable, "-W", "ignore", str(PROGRAMS / "service.py"), str(free_port()), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "hello" in ended.stdout
