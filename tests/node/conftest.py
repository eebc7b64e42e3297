"""A home of its own for each test, and daemons that look for no relay on the internet."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.node import manager, yagna_process, yagna_start
from tests.node import two_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A relay that does not answer, given up at once: the daemon then serves without the Golem network.
OFFLINE = {
    "YA_NET_RELAY_HOST": "127.0.0.1:9",
    "YA_NET_BIND_URL": "udp://127.0.0.1:0",
    "YA_NET_SESSION_REQUEST_TIMEOUT": "100ms",
}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of the launcher; its node is stopped at the end."""
    for name in os.environ:
        if name.startswith(("YAGNA_", "YA_", "GSB_")):
            monkeypatch.delenv(name)
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="node-") as directory:
        monkeypatch.setenv("GOLEM_LAUNCHER_HOME", directory)
        yield Path(directory)
        manager.stop_node(grace=0)


@pytest.fixture
def config(home: Path) -> Iterator[Callable[..., yagna_start.YagnaConfig]]:
    """Makes configurations of daemons in directories below ``home``; they are stopped at the end."""
    made: list[Path] = []

    def make(name: str = "daemon", **values: object) -> yagna_start.YagnaConfig:
        directory = home / name
        made.append(directory)
        settings = {"api_port": 0, "gsb_url": f"unix:{directory}/gsb.sock", "app_key": "a-key", "environment": OFFLINE}
        return yagna_start.YagnaConfig(directory, **{**settings, **values})

    yield make
    for directory in made:
        running = yagna_process.find_running(directory)
        if running is not None:
            running.stop(grace=0)


@pytest.fixture(scope="session")
def network() -> Iterator[two_nodes.Network]:
    """Two daemons that a router joins."""
    with two_nodes.joined() as network:
        yield network


@pytest.fixture(params=["bus", "rest"])
def way(request, network, monkeypatch):
    """How a program reaches the node, by its environment: by the bus, or over REST."""
    for name in ("GSB_URL", "YAGNA_API_URL", "YAGNA_APPKEY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "bus":
        monkeypatch.setenv("GSB_URL", network.requestor.gsb_url)
    else:
        monkeypatch.setenv("YAGNA_API_URL", network.requestor.api_url)
        monkeypatch.setenv("YAGNA_APPKEY", network.requestor.app_key)
    return request.param
