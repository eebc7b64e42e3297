"""Programs for yapapi's first versions, as they are, on today's."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import golem_launcher
from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from tests.localnet.conftest import THREE, network_of
from tests.localnet.test_run import PROGRAMS, RUN
from tests.networks import at_home
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from golem_launcher.localnet import network

OURS = Path(golem_launcher.__file__).parent
SITE = OURS / "localnet" / "site"
IMAGE = """
[images."9a3b5d67b0b27746283cb5f287c13eab1beaa12d92a9f536b747c7ae"]
path = "root"
volumes = ["/golem/work", "/golem/output", "/golem/resource"]
"""
# In the place of a renderer: what it makes depends on the scene and the frame. The first one of a slow frame hangs.
RENDER = """#!/bin/sh
frame=$(/bin/sed 's/.*"frames": *[[]\\([0-9]*\\)].*/\\1/' /golem/work/params.json)
case $(/bin/cat /golem/work/slow 2>/dev/null) in yes) exec /bin/sleep 3600;; esac
output=$(printf /golem/output/out%04d.png "$frame")
{ /bin/cat /golem/resource/scene.blend; echo "$frame"; } | /bin/sha256sum > "$output"
"""
SCENE = "cubes\n"


def make_root(root: Path) -> None:
    for program in ("sh", "cat", "sed", "sha256sum", "sleep"):
        source = next(path for path in (Path("/bin", program), Path("/usr/bin", program)) if path.exists())
        libraries = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout.split()
        for name, file in ((f"bin/{program}", source), *((w[1:], Path(w)) for w in libraries if w.startswith("/"))):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(file.read_bytes())
            (root / name).chmod(0o755)
    entrypoint = root / "golem" / "entrypoints" / "run-blender.sh"
    entrypoint.parent.mkdir(parents=True)
    entrypoint.write_text(RENDER)
    entrypoint.chmod(0o755)


@pytest.fixture(scope="module")
def render_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    home = tmp_path_factory.mktemp("farm")
    make_root(home / "root")
    with network_of(home, THREE.replace("[[provider]]", IMAGE + "[[provider]]", 1)) as up, at_home(home):
        yield up


def frames_of(program: str, cwd: Path) -> tuple[dict[str, Any], str]:
    """What a program saw, all of whose frames are as they should be, and what was told."""
    (cwd / "scene.txt").write_text(SCENE)
    words = [*RUN, sys.executable, "-W", "ignore", str(PROGRAMS / program)]
    ended = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300 * slower(), check=False)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    for frame, name in seen["results"].items():
        wanted = hashlib.sha256(f"{SCENE}{frame}\n".encode()).hexdigest()
        assert (cwd / name).read_text().split()[0] == wanted
    return seen, ended.stderr + ended.stdout


@pytest.mark.slow
@pytest.mark.timeout(330)
@pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here")
def test_a_program_with_an_executor_runs_unchanged(render_farm: network.LocalNetwork, tmp_path: Path) -> None:
    assert render_farm.providers
    seen, told = frames_of("early_executor.py", tmp_path)
    assert sorted(map(int, seen["results"])) == [0, 10, 20, 30]
    assert (seen["late"], seen["rejected"]) == (1, 1)  # what came too late, or was not taken, is done again
    assert (seen["driver"], seen["network"], seen["id"]) == ("erc20", "hoodi", True)
    assert seen["provider"] in {"alice", "bob", "carol"}
    for words in ("driver 'zksync'", "network 'rinkeby'", "subnet 'community.4'"):
        assert words in told


@pytest.mark.slow
@pytest.mark.timeout(330)
@pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here")
def test_a_program_with_an_engine_runs_unchanged(render_farm: network.LocalNetwork, tmp_path: Path) -> None:
    assert render_farm.providers
    seen, told = frames_of("early_engine.py", tmp_path)
    assert sorted(map(int, seen["results"])) == [0, 10, 20]
    assert sorted(value["frames"][0] for value in seen["back"]) == [0, 10, 20]
    assert "no more frames" in told
    assert "subnet 'demo-1'" in told


NAMES = """
import {first}
import yapapi, yapapi.golem, yapapi.executor, yapapi.package, yapapi.package.vm as by_name
from yapapi import Executor, Golem, Task, WorkContext, __version__
from yapapi.package import vm
from yapapi.runner import Engine, Task as EarlyTask
import yapapi.services, yapapi.contrib.service.http_proxy
assert vm.repo is by_name.repo is yapapi.payload.vm.repo
assert Golem is yapapi.Golem is yapapi.golem.Golem and yapapi.golem.Executor is yapapi.executor.Executor
assert issubclass(Engine, Executor) and Executor is not yapapi.executor.Executor
assert issubclass(EarlyTask, Task) and Task is yapapi.executor.task.Task and WorkContext is yapapi.ctx.WorkContext
assert 'Executor' in dir(yapapi) and 'ctx' in dir(yapapi) and yapapi.__path__ and yapapi.__spec__.name == 'yapapi'
import golem_launcher.early_yapapi
assert yapapi.Executor is Executor
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["golem_launcher.early_yapapi", "sitecustomize"])
def test_the_names_of_then_are_beside_those_of_now(first: str) -> None:
    path = {"PYTHONPATH": str(SITE), "GOLEM_REGISTRY_URL": "http://127.0.0.1:1"} if first == "sitecustomize" else {}
    words = [sys.executable, "-W", "ignore", "-c", NAMES.format(first=first)]
    ended = subprocess.run(
        words, env={**os.environ, **path}, capture_output=True, text=True, timeout=60 * slower(), check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_where_yapapi_is_one_of_the_first_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "yapapi" / "runner").mkdir(parents=True)
    (tmp_path / "yapapi" / "__init__.py").write_text("Executor = 'its own'")
    (tmp_path / "yapapi" / "runner" / "__init__.py").write_text("Engine = 'its own'")
    check = "import yapapi, yapapi.runner; print(yapapi.Executor, yapapi.runner.Engine, type(yapapi).__name__)"
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), str(tmp_path)]), "GOLEM_REGISTRY_URL": "http://127.0.0.1:1"
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", check],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60 * slower(),
        check=True,
    )
    assert ended.stdout == "its own its own module\n"


@pytest.fixture
def networks() -> ModuleType:
    """The module alone: importing its package would change what yapapi is for the other tests."""
    spec = importlib.util.spec_from_file_location("early_networks", OURS / "early_yapapi" / "networks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("named", "environment", "wanted"),
    [
        ("rinkeby", "", "hoodi"),
        (None, "", "hoodi"),
        ("rinkeby", "polygon", "hoodi"),  # what was meant for tests is never paid for
        (None, "mainnet", "hoodi"),
        ("goerli", "holesky", "holesky"),
        ("polygon", "hoodi", "hoodi"),  # as on the local network
        ("polygon", "", "polygon"),
        ("mainnet", "polygon", "mainnet"),
    ],
)
def test_no_test_network_becomes_one_on_which_money_is_real(
    networks: ModuleType, monkeypatch: pytest.MonkeyPatch, named: str | None, environment: str, wanted: str
) -> None:
    monkeypatch.setenv("YAGNA_PAYMENT_NETWORK", environment)
    assert networks.network_of(named) == wanted


def test_subnets_that_are_no_more(networks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YAGNA_SUBNET", raising=False)
    for gone in ("community.4", "devnet-beta.2", "demo-1", "devnet-alpha.4", "public-beta"):
        assert networks.subnet_of(gone) == "public"
    assert networks.subnet_of("my-friends") == "my-friends"
    assert networks.subnet_of(None) is None
    monkeypatch.setenv("YAGNA_SUBNET", "here")
    assert networks.subnet_of("my-friends") == networks.subnet_of(None) == "here"
    assert (networks.driver_of("zksync"), networks.driver_of("erc20"), networks.driver_of(None)) == (
        "erc20", "erc20", None,
    )  # fmt: skip
