from __future__ import annotations

import os

import pytest

from golem_launcher import files, paths
from golem_launcher.networks import NETWORKS
from golem_launcher.node import manager
from golem_launcher.processes import ProcessRecord
from golem_launcher.session.preparation import network_nodes
from golem_launcher.ui.header.network import network_view


@pytest.mark.parametrize("name", NETWORKS)
def test_what_does_not_run_says_so_with_a_button_and_starts_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YAGNA_APPKEY", raising=False)
    monkeypatch.delenv("YAGNA_API_URL", raising=False)
    view = network_view(name)
    assert (view["state"], view["title"], view["money"]) == ("down", NETWORKS[name].title, NETWORKS[name].money)
    assert "not running" in view["detail"]
    assert view["mend"]


def test_a_node_that_is_being_started_is_said_to_be_and_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes ten seconds until it answers, which is no fault of it."""
    monkeypatch.delenv("YAGNA_APPKEY", raising=False)
    monkeypatch.delenv("YAGNA_API_URL", raising=False)
    record = {**ProcessRecord.of(os.getpid()).to_json(), "api_url": "http://127.0.0.1:1", "gsb_url": "", "app_key": "k"}
    manager.data_dir().mkdir(parents=True, exist_ok=True)
    files.write_json(manager.data_dir() / "process.json", record)
    assert network_view("polygon")["state"] == "failed"
    with files.locked(paths.shared_home() / "node.lock", deadline=5):
        view = network_view("polygon")
        assert (view["state"], view["detail"], view["mend"]) == ("starting", "Starting your node …", "")
        assert network_nodes.present(NETWORKS["polygon"]) is None
        assert network_nodes.starts(NETWORKS["polygon"])


def test_a_named_node_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YAGNA_APPKEY", "0123456789abcdef")
    monkeypatch.setenv("YAGNA_API_URL", "http://127.0.0.1:1")
    view = network_view("polygon")
    assert view["state"] == "failed"
    assert "0123456789abcdef" not in str(view)
