"""The user's node: named by the environment and checked, or ours and started once."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.errors import LauncherError, NodeUnreachable
from golem_launcher.market import identity_backup as identities
from golem_launcher.market import wallet
from golem_launcher.networks import NETWORKS, POLYGON
from golem_launcher.node import doctor, manager, probe, start_failure, yagna_start
from golem_launcher.node.doctor_check import Verdict
from golem_launcher.node.node import Node
from golem_launcher.session.preparation import network_nodes
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

_ASK = """
import json
from golem_launcher.node import manager
node = manager.ensure_node(deadline=60)
print(json.dumps([node.api_url, node.app_key, manager.own_node().record.pid]))
"""


def test_started_once_for_ten_processes_and_ten_threads(home: Path) -> None:
    callers = [subprocess.Popen([sys.executable, "-c", _ASK], stdout=subprocess.PIPE) for _ in range(10)]
    try:
        with ThreadPoolExecutor(10) as pool:
            nodes = list(pool.map(lambda _: manager.ensure_node(deadline=60), range(10)))
        answers = {caller.communicate(timeout=60 * slower())[0] for caller in callers}
    finally:
        for caller in callers:
            caller.kill()
            caller.wait()
    own = manager.own_node()
    assert own is not None
    assert set(nodes) == {own.node}
    assert [json.loads(answer) for answer in answers] == [[own.api_url, own.app_key, own.record.pid]]
    assert stat.S_IMODE((home / "node" / "app-key").stat().st_mode) == 0o600

    # Killed: the next who asks gets a new one, with the same key and identity.
    identity = probe.identity(own.node)
    os.kill(own.record.pid, signal.SIGKILL)
    while own.alive():
        time.sleep(0.01)
    again = manager.ensure_node(deadline=60)
    assert again.app_key == own.app_key
    assert probe.identity(again) == identity

    # Stopped for good, and once more.
    assert manager.stop_node() is not None
    assert manager.own_node() is None
    assert manager.stop_node() is None


@pytest.mark.usefixtures("home")
def test_hanging_node_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    manager.ensure_node(deadline=60)
    own = manager.own_node()
    assert own is not None
    monkeypatch.setattr(manager, "_WAKE_SECONDS", 0.2)
    own.record.signal(signal.SIGSTOP)
    threads = Path(f"/proc/{own.record.pid}/task")  # a thread that has not heard of it may still answer
    while any((thread / "stat").read_text().rpartition(") ")[2][0] != "T" for thread in threads.iterdir()):
        time.sleep(0.01)
    monkeypatch.setattr(probe.identity, "__kwdefaults__", {"timeout": 0.2})
    with pytest.raises(NodeUnreachable, match="runs and does not answer") as caught:
        manager.ensure_node()
    assert "node stop" in caught.value.remedy
    assert manager.stop_node(grace=0.1) is not None


@pytest.mark.usefixtures("home")
def test_named_node(monkeypatch: pytest.MonkeyPatch) -> None:
    own = manager.ensure_node(deadline=60)
    monkeypatch.setenv("YAGNA_APPKEY", own.app_key)
    monkeypatch.setenv("YAGNA_API_URL", own.api_url + "/")
    monkeypatch.setenv("GSB_URL", str(own.gsb_url))
    assert manager.ensure_node() == own

    # Started anew at another address, it is known by its identity.
    monkeypatch.setenv("YAGNA_API_URL", "http://127.0.0.1:9")
    lost, network = manager.named_node(), NETWORKS["hoodi"]
    assert lost is not None
    assert network_nodes.elsewhere(network, lost, probe.identity(own)) == own
    assert network_nodes.elsewhere(network, own, probe.identity(own)) is None
    assert network_nodes.elsewhere(network, lost, "0x" + 40 * "0") is None

    monkeypatch.setenv("YAGNA_API_URL", own.api_url)
    monkeypatch.setenv("YAGNA_APPKEY", "wrong")
    with pytest.raises(NodeUnreachable, match="refuses the app-key"):
        manager.ensure_node()
    monkeypatch.setenv("YAGNA_APPKEY", "naïve \u2028")
    with pytest.raises(NodeUnreachable):
        manager.ensure_node()
    monkeypatch.delenv("YAGNA_APPKEY")
    with pytest.raises(NodeUnreachable, match="YAGNA_APPKEY, its key, is not set"):
        manager.ensure_node()
    monkeypatch.setenv("YAGNA_APPKEY", "k")
    monkeypatch.delenv("YAGNA_API_URL")
    named = manager.named_node()
    assert named is not None
    assert named.api_url == manager.DEFAULT_API_URL


def test_wallet_and_identity_need_no_golem_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline a node is started without it, and anew when a session needs it."""
    monkeypatch.delenv("YA_NET_RELAY_HOST")
    program = home / "yagna-offline"
    failed = "echo 'WARN Failed to resolve _net_relay._udp SRV record: no record. Trying again in 10 seconds'"
    offline = f'[ "$YA_NET_RELAY_HOST" ] || {{ {failed}; exec sleep 60; }}'
    program.write_text(f'#!/bin/sh\n{offline}\nexec {yagna_start.find_program()} "$@"\n')
    program.chmod(0o700)
    plain = manager._config
    monkeypatch.setattr(manager, "_config", lambda: replace(plain(), program=program, look_up_seconds=0.2))
    monkeypatch.setattr(manager, "_BRIEF_LOOK_UP_SECONDS", 0.1)
    node = manager.ensure_wallet_node(deadline=60)
    found = wallet.look(node, POLYGON)
    assert found.amount is None
    assert '"crypto"' in identities.key_file(node)
    assert manager.ensure_wallet_node() == node
    assert next(one for one in doctor.examine() if one.name == "node").verdict is Verdict.WARN
    with pytest.raises(start_failure.Offline):
        manager.ensure_node(deadline=60)
    assert manager.own_node() is None
    monkeypatch.setenv("YA_NET_RELAY_HOST", "127.0.0.1:9")  # the network is back
    manager.ensure_wallet_node(deadline=60)
    own = manager.own_node()
    assert own is not None
    assert not own.alone
    assert probe.identity(manager.ensure_node()) == found.identity


class _NoYagna(BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.wfile.write(type(self).answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _NoYagna)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"HTTP/1.0 200 OK\r\n\r\n[]",
        b'HTTP/1.0 200 OK\r\n\r\n{"identity": 5}',
        b'HTTP/1.0 200 OK\r\n\r\n{"identity": "0x\x1b[31m"}',
        b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 60000,
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"HTTP/1.0 302 Found\r\nLocation: http://elsewhere/\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_stranger_at_the_address(stranger: str, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_NoYagna, "answer", answer)
    with pytest.raises(NodeUnreachable, match=r"is not a yagna|does not answer") as caught:
        probe.identity(Node(stranger, "key"))
    assert caught.value.remedy


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:7465", "ftp://x", "http://", "http://x:99999", "http://[", "http://x:0"]
)
def test_no_address(url: str) -> None:
    with pytest.raises(NodeUnreachable, match="no http address"):
        probe.identity(Node(url, "key"))


def test_nobody_and_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NodeUnreachable, match="no answer in time"):
            probe.identity(Node(url, "key"), timeout=0.2)
    with pytest.raises(NodeUnreachable, match="Connection refused"):
        probe.identity(Node(url, "key"))


@pytest.mark.usefixtures("home")
def test_damaged_key_file_is_replaced() -> None:
    (manager.data_dir() / "app-key").write_bytes(b"\xff\n")
    key = manager._app_key(manager.data_dir())
    assert manager._app_key(manager.data_dir()) == key
    assert len(key) == 32


def test_home_in_the_way(home: Path) -> None:
    (home / "node").touch()
    with pytest.raises(LauncherError, match="in the way"):
        manager.ensure_node()
    (home / "node").unlink()
