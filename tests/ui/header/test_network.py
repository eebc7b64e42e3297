from __future__ import annotations

import pytest

from golem_launcher.networks import NETWORKS
from golem_launcher.ui.header.network import network_view


@pytest.mark.parametrize("name", NETWORKS)
def test_what_does_not_run_says_so_with_a_button_and_starts_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YAGNA_APPKEY", raising=False)
    monkeypatch.delenv("YAGNA_API_URL", raising=False)
    view = network_view(name)
    assert (view["state"], view["title"], view["money"]) == ("down", NETWORKS[name].title, NETWORKS[name].money)
    assert "not running" in view["detail"]
    assert view["mend"]


def test_a_named_node_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YAGNA_APPKEY", "0123456789abcdef")
    monkeypatch.setenv("YAGNA_API_URL", "http://127.0.0.1:1")
    view = network_view("polygon")
    assert view["state"] == "failed"
    assert "0123456789abcdef" not in str(view)
