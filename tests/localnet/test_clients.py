"""Programs of other clients than yapapi, which know nothing of us: golem-js, golem-core."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.node.yagna_start import free_port
from tests.localnet.test_run import PROGRAMS, run

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.localnet import network

INSTALLING = 300.0
"""Seconds that a client's packages may take on a busy machine: golem-core's took a minute on two busy cores."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here"),
    pytest.mark.timeout(2 * INSTALLING + 150),  # what a fixture installs counts as its first test's time
]

GOLEM_JS = ["@golem-sdk/golem-js@3.6.0"]
GOLEM_CORE = ["golem-core==0.7.8", "setuptools<81"]  # it imports pkg_resources


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with golem-js, where programs can be put."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    directory = tmp_path_factory.mktemp("javascript")
    argv = ["npm", "install", "--no-audit", "--no-fund", *GOLEM_JS]
    if subprocess.run(argv, cwd=directory, capture_output=True, timeout=INSTALLING, check=False).returncode:
        pytest.skip("golem-js can't be had from a registry here")
    return directory


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with golem-core."""
    environment = tmp_path_factory.mktemp("python") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=INSTALLING)
    found = environment / "bin" / "python"
    argv = [sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-compile", *GOLEM_CORE]
    if subprocess.run(argv, capture_output=True, timeout=INSTALLING, check=False).returncode:
        pytest.skip("golem-core can't be had from an index here")
    return found


def of_node(program: str, *words: str, cwd: Path) -> tuple[dict[str, Any], str]:
    """What a program of golem-js says that it saw, and all that it wrote beside."""
    shutil.copy(PROGRAMS / program, cwd)
    ended = run("node", program, *words, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout.splitlines()[-1])), ended.stderr


def of_python(python: Path, program: str, cwd: Path) -> dict[str, Any]:
    ended = run(str(python), "-W", "ignore", str(PROGRAMS / program), cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_golem_js(three: network.LocalNetwork, javascript: Path) -> None:
    assert three.providers
    seen, beside = of_node("job.mjs", cwd=javascript)
    assert seen == {"stdout": "done\n", "file": "SOME TEXT\n", "error": "ExeScript command exited with code 7"}
    assert "somebody/something:latest" in beside  # replaced


def test_a_private_network_of_golem_js(three: network.LocalNetwork, javascript: Path) -> None:
    assert three.providers
    seen, _ = of_node("network.mjs", str(free_port()), cwd=javascript)
    assert seen == {"there": "a note", "here": "a note"}


def test_golem_core(three: network.LocalNetwork, python: Path, tmp_path: Path) -> None:
    assert three.providers
    assert of_python(python, "core.py", tmp_path) == {"stdout": "hello\nagain\n"}


def test_a_private_network_of_golem_core(three: network.LocalNetwork, python: Path, tmp_path: Path) -> None:
    assert three.providers
    assert of_python(python, "core_network.py", tmp_path) == {"page": "a note"}
