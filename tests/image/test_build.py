"""The scripts around the image: its variants are the software choices, and building runs the right programs."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from golem_launcher.software import SOFTWARE

PROVIDER = Path(__file__).resolve().parents[2] / "provider"


def requirements(variant):
    lines = (PROVIDER / "python" / f"{variant}.txt").read_text().splitlines()
    return {Requirement(line).name for line in lines if line and line[0] not in "#-"}


def test_every_software_choice_has_its_variant():
    assert {path.stem for path in (PROVIDER / "python").glob("*.txt")} == set(SOFTWARE)
    for name, software in SOFTWARE.items():
        if name != "base":
            assert requirements(name) == {Requirement(package).name for package in software.packages}


def test_the_dockerfile_takes_the_same_lists():
    dockerfile = (PROVIDER / "Dockerfile").read_text()
    assert "COPY system.txt" in dockerfile
    assert "COPY python " in dockerfile
    assert '/install "$VARIANT"' in dockerfile
    assert "ENTRYPOINT" not in dockerfile


@pytest.fixture
def programs(tmp_path):
    """Stands in for docker and gvmkit-build: writes down how it was called, and the image."""
    (tmp_path / "python3").symlink_to(sys.executable)

    def install(name, body=""):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> "$CALLS"\n{body}\n')
        path.chmod(0o755)

    install("docker")
    install("gvmkit-build", 'while [ "$1" != --output ]; do shift; done; echo content > "$2"')

    def build(*arguments):
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(
            [sys.executable, PROVIDER / "build", *arguments],
            env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls)},
            capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
        )  # fmt: skip
        return done, calls.read_text()

    build.path = tmp_path
    build.install = install
    return build


def test_it_builds_converts_and_prints_the_hash(programs):
    done, calls = programs("sklearn", "--push", "me/lab:1")
    assert done.returncode == 0, done.stderr
    assert "docker build --build-arg VARIANT=sklearn" in calls
    assert "--push-to me/lab:1" in calls
    assert f"hash {hashlib.sha3_224(b'content' + bytes([10])).hexdigest()}" in done.stdout
    assert "me/lab:1" in done.stdout


def test_a_step_that_fails_is_named(programs):
    programs.install("docker", "exit 7")
    done, _ = programs("base")
    assert done.returncode == 1
    assert "docker failed with exit code 7" in done.stderr


def test_without_docker_it_says_what_to_do(programs):
    (programs.path / "docker").unlink()
    done, _ = programs("base")
    if "podman" in done.stdout:
        pytest.skip("there is a podman here")
    assert done.returncode == 2
    assert "provider/check" in done.stderr
