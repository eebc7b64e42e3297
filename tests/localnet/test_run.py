"""Programs that know nothing of us, on the local network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.node.yagna_start import free_port
from tests.patience import slower

if TYPE_CHECKING:
    from golem_launcher.localnet import network

PROGRAMS = Path(__file__).parent / "programs"
RUN = [sys.executable, "-c", "from golem_launcher.cli.main import main; main()", "localnet", "run", "--"]


def run(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        [*RUN, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=90 * slower(), check=False
    )


def test_environment_and_exit_code(in_troupe: network.LocalNetwork, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os.environ['MINE'] = 'ran'")
    show = "import json, os, sys; print(json.dumps(dict(os.environ))); sys.exit(7)"
    ended = run(sys.executable, "-c", show, env={"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 7
    variables = json.loads(ended.stdout)
    assert variables["YAGNA_API_URL"] == in_troupe.node.api_url
    assert variables["YAGNA_APPKEY"] == in_troupe.node.app_key
    assert variables["GSB_URL"] == in_troupe.node.gsb_url
    assert variables["GOLEM_REGISTRY_URL"] == in_troupe.registry_url
    assert variables["PAYMENT_NETWORK"] == variables["YAGNA_PAYMENT_NETWORK"] == "hoodi"
    assert variables["PYTHONPATH"].endswith(str(tmp_path))
    assert variables["MINE"] == "ran"  # a sitecustomize of the user's own still does its work


def test_a_python_path_of_ones_own_does_not_hide_the_registry(in_troupe: network.LocalNetwork, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import yapapi.payload.vm as vm\nprint(vm.DEFAULT_REPOSITORY_URL)\n")
    for python in ("python", "python3"):
        ended = run("env", f"PYTHONPATH={tmp_path}", python, "-W", "ignore", "-c", "import mine")
        assert (ended.stdout.strip(), ended.stderr) == (in_troupe.registry_url, "")
    ended = run("env", f"PYTHONPATH={tmp_path}", sys.executable, "-W", "ignore", "-c", "import mine")
    assert "PYTHONPATH hides the registry" in ended.stderr


def test_a_signal_reaches_the_program(in_troupe: network.LocalNetwork) -> None:
    assert in_troupe.providers
    child = subprocess.Popen([*RUN, "sh", "-c", "echo up; exec sleep 60"], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM


def test_a_program_that_is_not_there(in_troupe: network.LocalNetwork) -> None:
    assert in_troupe.providers
    ended = run("no-such-program")
    assert ended.returncode == 1
    assert "no-such-program can't be run" in ended.stderr
    assert run().returncode == 2


def output(program: str, *words: str, cwd: Path) -> dict[str, Any]:
    """What a program says that it saw."""
    ended = run(sys.executable, "-W", "ignore", str(PROGRAMS / program), *words, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    if program == "task.py":
        assert "The image somebody/something:latest is not described here" in ended.stderr
    return dict(json.loads(ended.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stream", "at end"])
def test_a_task_with_files_and_an_error(in_runtime: network.LocalNetwork, tmp_path: Path, how: str) -> None:
    assert in_runtime.providers
    (tmp_path / "given.txt").write_text("some text\n")
    seen = output("task.py", how, cwd=tmp_path)
    made = b"SOME TEXT\n\x00\xffbytes".hex()
    assert (seen["tasks"], seen["file"], seen["bytes"]) == (1, made, made)
    assert seen["json"] == {"a": [1, None, "\u20ac"]}
    assert seen["error"] == "ExeScript command exited with code 7"
    if how == "stream":
        assert "SOME TEXT" in seen["events"]
        assert "to stderr" in seen["events"]
        assert "so far" in seen["events"]
    else:
        assert (seen["stdout"], seen["stderr"], seen["error_stderr"]) == ("SOME TEXT\n", "to stderr\n", "why\n")


@pytest.mark.slow
def test_a_service_behind_the_vpn(in_runtime: network.LocalNetwork, tmp_path: Path) -> None:
    assert in_runtime.providers
    seen = output("service.py", str(free_port()), cwd=tmp_path)
    assert seen["page"] == "hello\n"
    assert seen["run"] == "index.html\n"
    assert "GET /index.html" in seen["log"]


@pytest.mark.slow
def test_a_runtime_with_a_counter_of_its_own(in_runtime: network.LocalNetwork, tmp_path: Path) -> None:
    assert in_runtime.providers
    seen = output("counters.py", cwd=tmp_path)
    seconds, counted = (seen["usage"][f"golem.usage.{name}"] for name in ("duration_sec", "custom.counter"))
    assert counted == pytest.approx(2 * seconds, rel=0.2)
    assert counted >= 5
    assert seen["cost"] >= 0.01 * counted * 0.8
