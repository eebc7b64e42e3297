"""The commands of the node as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import home  # noqa: F401 - a fixture
from tests.patience import slower

_PROGRAM = Path(sys.executable).parent / "golem-launcher"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60 * slower(),
        check=False,
        env={**os.environ, **environment},
    )


def _json(*arguments: str) -> Any:
    done = _run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_node_start_status_stop_down() -> None:
    assert _json("node", "status")["running"] is False
    started = _json("node", "start")
    assert started["ours"]
    assert started["identity"].startswith("0x")
    assert _json("node", "status") == started
    doctor = _json("doctor")
    assert doctor["ok"]
    assert [c for c in doctor["checks"] if c["name"] == "node" and started["identity"] in c["message"]]
    down = _json("down")
    assert [name for name in down["stopped"] if str(started["pid"]) in name]
    assert _json("down") == {"stopped": [], "suspended": [], "failures": []}
    assert _run("down").stdout == "Nothing of ours was running.\n"
    assert _json("node", "stop") == {"stopped": False}


@pytest.mark.usefixtures("home")
def test_version() -> None:
    assert _json("version") == {
        "launcher": version("golem-launcher"),
        "yagna": version("golem-node"),
        "yapapi": version("yapapi"),
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    assert "yapapi" in _run("version").stdout


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_doctor_names_what_to_mend_first() -> None:
    done = _run("doctor", YAGNA_APPKEY="key", YAGNA_API_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "Mend first: node." in done.stderr
    assert "FAIL  node" in done.stdout
    done = _run("node", "status", YAGNA_API_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "YAGNA_APPKEY" in done.stderr


@pytest.mark.slow
def test_a_key_comes_from_a_pipe_too() -> None:
    for key, url, code, words in (
        ("key", "http://127.0.0.1:1", 1, "does not answer"),
        ("key", "http://node.example.org", 2, "read the node's key"),
        ("", "http://127.0.0.1:1", 2, "No app-key was given"),
    ):
        done = subprocess.run(
            [_PROGRAM, "node", "use", url],
            input=f"{key}\n",
            capture_output=True,
            text=True,
            timeout=60 * slower(),
            check=False,
        )
        assert (done.returncode, words in done.stderr, "Warning" in done.stderr) == (code, True, False), done.stderr


def test_a_back_up_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("precious")
    done = _run("identity", "backup", str(tmp_path / "identity.json"))
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert (tmp_path / "identity.json").read_text() == "precious"


@pytest.mark.slow
def test_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in ("doctor", "down"):
        done = _run(command, GOLEM_LAUNCHER_HOME=str(tmp_path / "file"))
        assert done.returncode == 1
        assert "in the way" in done.stderr
        assert "Traceback" not in done.stderr
