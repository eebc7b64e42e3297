"""The scripts around the image: its variants are the software choices, and building runs the right programs."""

import hashlib
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

    def install(name, body=""):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" DOCKER_HOST=$DOCKER_HOST >> "$CALLS"\n{body}\n')
        path.chmod(0o755)

    install("docker")
    install("gvmkit-build", 'while [ "$1" != --output ]; do shift; done; echo content > "$2"')

    def build(*arguments):
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(
            [sys.executable, PROVIDER / "build", *arguments],
            env={"PATH": str(tmp_path), "CALLS": str(calls)},
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
    assert "tag  me/lab:1" in done.stdout
    done, calls = programs("base", "--push")
    assert "--push --nologin" in calls
    assert "tag" not in done.stdout


def test_podman_serves_gvmkit_on_a_socket_of_its_own(programs):
    programs.install("docker", "echo Is the docker daemon running? >&2; exit 1")
    programs.install(
        "podman",
        f"""[ "$1" != system ] || {{ address=$5
        exec {sys.executable} -c "import socket, sys, time
socket.socket(socket.AF_UNIX).bind(sys.argv[1][7:]); time.sleep(60)" "$address"; }}""",
    )
    done, calls = programs("base")
    assert done.returncode == 0, done.stderr
    assert "podman build --build-arg VARIANT=base" in calls
    address = calls.partition("podman system service --time 0 ")[2].split()[0]
    assert f"zstd --force DOCKER_HOST={address}\n" in calls
    assert not Path(address.removeprefix("unix://")).exists()


def test_a_step_that_fails_is_named(programs):
    programs.install("docker", '[ "$1" = info ] || exit 7')
    done, _ = programs("base")
    assert done.returncode == 1
    assert done.stderr == "docker failed with exit code 7.\n"
    programs.install("docker")
    programs.install("gvmkit-build", "exit 3")
    done, _ = programs("base")
    assert done.stderr == "gvmkit-build failed with exit code 3.\n"


def test_it_says_what_to_do_when_something_is_missing(programs):
    done, _ = programs("base", "--push", "no-tag")
    assert done.returncode == 2
    assert "write it like me/jupyterlab:base" in done.stderr
    (programs.path / "gvmkit-build").unlink()
    done, calls = programs("base")
    assert done.returncode == 2
    assert "pip install gvmkit-build" in done.stderr
    assert "docker build" not in calls
    programs.install("docker", "echo Is the docker daemon running? >&2; exit 1")
    done, _ = programs("base")
    assert done.returncode == 2
    assert "docker is installed but does not work: Is the docker daemon running?" in done.stderr
    (programs.path / "docker").unlink()
    done, _ = programs("base")
    assert done.returncode == 2
    assert "Neither docker nor podman" in done.stderr
    assert "provider/check" in done.stderr
