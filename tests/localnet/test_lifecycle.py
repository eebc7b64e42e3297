from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet import daemons, health, network, state
from golem_launcher.node import yagna_process
from tests.localnet.conftest import processes_below
from tests.localnet.requestor import Requestor, play, until
from tests.networks import at_home, prepare
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from golem_launcher import processes

pytestmark = pytest.mark.slow

ONE = '[[provider]]\nname = "only"\n'
PROGRAM = [sys.executable, "-m", "golem_launcher.cli.main"]


LAUNCHER = [sys.executable, "-c", "from golem_launcher.cli.main import main; main()"]
UNSHARE = ["unshare", "--user", "--map-root-user"]


@pytest.fixture
def prepared(home: Path) -> Path:
    """A home whose network does at its first start what others do later: where that is not what is looked at."""
    prepare(home)
    return home


@pytest.fixture(scope="module")
def home_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a network of one provider, for tests that leave it as they like."""
    home = tmp_path_factory.mktemp("one")
    prepare(home)
    (home / "one.toml").write_text(ONE)
    try:
        yield home
    finally:
        with at_home(home):
            network.down()
        assert not processes_below(home)


@pytest.fixture
def one(home_of_one: Path) -> Iterator[Path]:
    """The same where the network is up."""
    with at_home(home_of_one):
        network.up(home_of_one / "one.toml")
        yield home_of_one


def launcher(*words: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *LAUNCHER, *words], capture_output=True, text=True, timeout=300 * slower(), check=False
    )


def needs(*unshare: str) -> None:
    """Skip the test where this user may not make such namespaces."""
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, *unshare, "true"], check=False).returncode:
        pytest.skip("no namespaces for this user")


def server_of(home: Path) -> processes.ProcessRecord:
    record = state.server_record(state.read(home / "localnet"))
    assert record is not None
    return record


def daemon_of(home: Path, role: str) -> yagna_process.YagnaProcess:
    daemon = yagna_process.find_running(daemons.data_dir(home / "localnet", role))
    assert daemon is not None
    return daemon


def test_up_status_down(home: Path) -> None:
    assert network.status()["stage"] == "down"
    up = launcher("localnet", "up", "--json")
    assert up.returncode == 0, up.stderr
    shown = json.loads(up.stdout)
    assert shown["runtime"].startswith("Runtime: ")
    told = launcher("localnet", "status").stdout.splitlines()
    assert shown["runtime"] in told
    head = told[-4].split("  ")
    assert [word for word in map(str.strip, head) if word] == [
        "PROVIDER",
        "STATE",
        "THREADS",
        "GiB",
        "tGLM/H",
        "tGLM/CPU H",
    ]
    assert max(map(len, told[-4:])) <= 80
    assert shown["runtime"] in (home / "localnet" / "server.log").read_text()
    assert shown["stage"] == "ready"
    providers = shown["providers"]
    assert len({provider["node_id"] for provider in providers}) == 3
    assert any(provider["pretends_gpu"] and "pretend" in provider["name"] for provider in providers)
    assert all(provider["threads"] <= (os.cpu_count() or 1) for provider in providers)
    assert int(shown["router_port"]) <= 9999

    again = json.loads(launcher("localnet", "up", "--json").stdout)
    assert again["server"] == shown["server"]

    assert launcher("localnet", "down").returncode == 0
    assert not processes_below(home)
    assert network.status() == {"stage": "down", "providers": []}

    begin = time.monotonic()
    second = network.up()
    assert time.monotonic() - begin < 15 * slower()  # how fast it is, the benchmarks say
    assert [p["node_id"] for p in second.providers] == [p["node_id"] for p in providers]
    assert second.node.app_key not in json.dumps(network.status())


@pytest.mark.slow
def test_ten_callers_at_once_get_one_network(prepared: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        calls = [
            pool.submit(
                subprocess.run,
                [sys.executable, "-c", _UP],
                capture_output=True,
                text=True,
                timeout=60 * slower(),
                check=True,
            )
            for _ in range(10)
        ]
        servers = {call.result().stdout for call in calls}
    assert servers == {f"{server_of(prepared).pid}\n"}


_UP = """
from golem_launcher.localnet import network
print(network.up().state["server"]["pid"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["server", "requestor", "provider"])
def test_a_killed_part_is_mended(one: Path, part: str) -> None:
    before = network.up()
    record = server_of(one) if part == "server" else daemon_of(one, part).record
    record.signal(signal.SIGKILL)
    while record.alive():
        time.sleep(0.01)
    after = network.up()
    assert [provider["name"] for provider in after.providers] == ["only"]
    assert (server_of(one) == state.server_record(before.state)) == (part != "server")
    if part == "requestor":
        assert after.node.api_url == before.node.api_url  # programs that hold its address go on
    assert network.status()["stage"] == "ready"


def test_another_description_is_refused_while_one_is_up(one: Path) -> None:
    network.up(one / "one.toml")
    other = one / "other.toml"
    other.write_text(ONE.replace("only", "other"))
    with pytest.raises(LocalNetError, match="another description"):
        network.up(other)


def test_a_description_that_failed_is_not_forgotten(home: Path) -> None:
    description = home / "one.toml"
    description.write_text(ONE)
    in_the_way = home / "localnet" / "requestor"
    in_the_way.parent.mkdir()
    in_the_way.write_text("in the way")
    with pytest.raises(LocalNetError, match="requestor"):
        network.up(description)
    assert network.status()["stage"] == "failed"
    assert "requestor" in launcher("localnet", "status").stdout
    ran = launcher("localnet", "run", "--", "true")
    assert ran.returncode == 1
    assert "requestor" in ran.stderr
    in_the_way.unlink()
    assert launcher("localnet", "run", "--", "true").returncode == 0
    assert [provider["name"] for provider in network.status()["providers"]] == ["only"]


def test_what_this_machine_lacks_is_said(prepared: Path) -> None:
    description = prepared / "large.toml"
    description.write_text(f"{ONE}threads = 1000\nmemory_gib = 100000\n")
    up = launcher("localnet", "up", "--spec", str(description))
    assert re.search(r"only has \d+ threads instead of 1000, [\d.]+ GiB of memory instead of 100000: this", up.stdout)


@pytest.mark.slow
def test_two_networks_side_by_side(one: Path, tmp_path: Path) -> None:
    first = network.up()
    prepare(tmp_path)
    with at_home(tmp_path):
        try:
            second = network.up(one / "one.toml")
            assert second.state["router_port"] != first.state["router_port"]
            assert second.node.api_url != first.node.api_url
        finally:
            network.down()
    assert not processes_below(tmp_path)
    assert network.status()["stage"] == "ready"


def test_a_full_disk_is_named(home: Path) -> None:
    needs("--mount")
    mount = 'mount -t tmpfs -o size=1m none "$GOLEM_LAUNCHER_HOME" && exec "$@"'
    up = launcher("localnet", "up", prefix=[*UNSHARE, "--mount", "sh", "-c", mount, "sh"])
    assert up.returncode == 1
    assert re.search(f"The disk is full: . MiB are free where {home}.* needs 64", up.stderr)
    assert "Make room there" in up.stderr


TAKE_ALL_PORTS = """
import resource, socket, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = [socket.create_server(("127.0.0.1", port)) for port in range(2000, 10000)]
sys.exit(subprocess.call(sys.argv[1:]))
"""


def test_where_every_port_is_taken_that_is_said(home: Path) -> None:
    needs("--net")
    up = launcher("localnet", "up", prefix=[*UNSHARE, "--net", sys.executable, "-c", TAKE_ALL_PORTS])
    assert up.returncode == 1, home
    assert "can't listen on any port of four digits of 127.0.0.1: " in up.stderr
    assert "End programs that hold many ports" in up.stderr


ESCAPE = {
    "run": {
        "entry_point": "/bin/sh",
        "args": ["-c", "setsid sleep 74174 & exit 0"],
        "capture": {"stdout": {"atEnd": {}}, "stderr": {"atEnd": {}}},
    }
}


@pytest.mark.slow
def test_what_escaped_its_killed_processes_is_swept(prepared: Path) -> None:
    description = prepared / "one.toml"
    description.write_text(f'runtime = "process"\n{ONE}')  # a sandbox's processes end with its first in any case

    async def scene(someone: Requestor) -> None:
        activity = await someone.activity(await someone.agree(name="only"))
        await someone.execute(activity, {"deploy": {}}, {"start": {}}, ESCAPE)
        server = psutil.Process(server_of(prepared).pid)
        first = [child for child in server.children() if "init.py" in command(child)]
        server.suspend()  # so that it can't clear up when its activity's first process ends
        for process in (*first, server):
            process.kill()
        assert first
        await until(lambda: not server_of(prepared).alive())
        assert escaped()

    play(network.up(description), scene)
    again = network.up()
    assert not escaped()
    play(again, scene)
    network.down()
    assert not escaped()


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def escaped() -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if command(process) == "sleep 74174"]


def test_a_directory_that_cannot_be_used_is_named(home: Path) -> None:
    (home / "localnet").mkdir()
    (home / "localnet" / "up.lock").mkdir()
    with pytest.raises(LocalNetError, match=r"can't use .*localnet"):
        network.up()
    (home / "localnet" / "up.lock").rmdir()


def test_one_that_stands_still_is_not_said_to_work(one: Path) -> None:
    running = network.up()
    assert "works" in health.check(running)
    server_of(one).signal(signal.SIGSTOP)
    try:
        with pytest.raises(LocalNetError, match="The local network does not work: there was no "):
            health.check(running)
    finally:
        server_of(one).signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_network_that_stood_still_works_again(one: Path) -> None:
    log = one / "localnet" / "provider" / "yagna.log"
    known = log.stat().st_size
    server = server_of(one)
    server.signal(signal.SIGSTOP)
    try:
        wait_for_line(log, known, "killing connection")
    finally:
        server.signal(signal.SIGCONT)
    end = time.monotonic() + 120 * slower()
    while (up := launcher("localnet", "up", "--spec", str(one / "one.toml"))).returncode:
        assert time.monotonic() < end, up.stderr
    assert "only was rented for a moment, and works." in up.stdout


def wait_for_line(log: Path, known: int, words: str) -> None:
    """Behind the first ``known`` bytes."""
    end = time.monotonic() + 120 * slower()
    while words.encode() not in log.read_bytes()[known:]:
        assert time.monotonic() < end, f"{log} never said: {words}"
        time.sleep(0.1)
