from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet import daemons, network, state
from golem_launcher.node import yagna
from tests.localnet.conftest import processes_below

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher import processes

ONE = '[[provider]]\nname = "only"\n'
PROGRAM = [sys.executable, "-m", "golem_launcher.cli.main"]


def launcher(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from golem_launcher.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)


def server_of(home: Path) -> processes.ProcessRecord:
    record = state.server_record(state.read(home / "localnet"))
    assert record is not None
    return record


def daemon_of(home: Path, role: str) -> yagna.YagnaProcess:
    daemon = yagna.find_running(daemons.data_dir(home / "localnet", role))
    assert daemon is not None
    return daemon


def test_up_status_down(home: Path) -> None:
    assert network.status()["stage"] == "down"
    up = launcher("localnet", "up", "--json")
    assert up.returncode == 0, up.stderr
    shown = json.loads(up.stdout)
    assert shown["stage"] == "ready"
    providers = shown["providers"]
    assert len({provider["node_id"] for provider in providers}) == 3
    assert any(provider["pretends_gpu"] and "pretend" in provider["name"] for provider in providers)
    assert all(provider["threads"] <= (os.cpu_count() or 1) for provider in providers)
    assert int(shown["hub_port"]) <= 9999

    again = json.loads(launcher("localnet", "up", "--json").stdout)
    assert again["server"] == shown["server"]

    assert launcher("localnet", "down").returncode == 0
    assert not processes_below(home)
    assert network.status() == {"stage": "down", "providers": []}

    begin = time.monotonic()
    second = network.up()
    assert time.monotonic() - begin < 3  # the ordinary start: its directories are there
    assert [p["node_id"] for p in second.providers] == [p["node_id"] for p in providers]
    assert second.node.app_key not in json.dumps(network.status())


def test_ten_callers_at_once_get_one_network(home: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        calls = [
            pool.submit(
                subprocess.run, [sys.executable, "-c", _UP], capture_output=True, text=True, timeout=60, check=True
            )
            for _ in range(10)
        ]
        servers = {call.result().stdout for call in calls}
    assert servers == {f"{server_of(home).pid}\n"}


_UP = """
from golem_launcher.localnet import network
print(network.up().state["server"]["pid"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["server", "requestor", "provider"])
def test_a_killed_part_is_mended(home: Path, part: str) -> None:
    description = home / "one.toml"
    description.write_text(ONE)
    before = network.up(description)
    record = server_of(home) if part == "server" else daemon_of(home, part).record
    record.signal(signal.SIGKILL)
    while record.alive():
        time.sleep(0.01)
    after = network.up()
    assert [p["name"] for p in after.providers] == (
        ["only"] if part != "server" else [p["name"] for p in after.providers]
    )
    assert (server_of(home) == state.server_record(before.state)) == (part != "server")
    if part == "requestor":
        assert after.node.api_url == before.node.api_url  # programs that hold its address go on
    assert network.status()["stage"] == "ready"


def test_another_description_is_refused_while_one_is_up(home: Path) -> None:
    description = home / "one.toml"
    description.write_text(ONE)
    network.up(description)
    network.up(description)
    other = home / "other.toml"
    other.write_text(ONE.replace("only", "other"))
    with pytest.raises(LocalNetError, match="another description"):
        network.up(other)


def test_two_networks_side_by_side(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = home / "one.toml"
    description.write_text(ONE)
    first = network.up(description)
    second_home = tmp_path_factory.mktemp("second")
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(second_home))
    try:
        second = network.up(description)
        assert second.state["hub_port"] != first.state["hub_port"]
        assert second.node.api_url != first.node.api_url
    finally:
        network.down()
        monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(home))
    assert not processes_below(second_home)
    assert network.status()["stage"] == "ready"


def test_a_directory_that_cannot_be_used_is_named(home: Path) -> None:
    (home / "localnet").mkdir()
    (home / "localnet" / "up.lock").mkdir()
    with pytest.raises(LocalNetError, match=r"can't use .*localnet"):
        network.up()
    (home / "localnet" / "up.lock").rmdir()


def test_a_server_that_cannot_start_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = home / "localnet" / "requestor"
    paths.parent.mkdir()
    paths.write_text("in the way")
    with pytest.raises(LocalNetError) as caught:
        network.up()
    assert "requestor" in str(caught.value)
    paths.unlink()
    assert monkeypatch
