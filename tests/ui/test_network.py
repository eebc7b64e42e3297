from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from golem_launcher.market.wallet import Wallet
from golem_launcher.networks import NETWORKS
from golem_launcher.ui.network import network_view, wallet_view, wallet_words

_FULL = Wallet(
    identity="0x" + "ab" * 20, network="polygon", token="GLM", amount=Decimal("12.34567"), gas=Decimal("0.5"),
    gas_coin="POL", reserved=Decimal(1), owed=Decimal(0), payments=(), url="",
)  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_what_does_not_run_says_so_with_a_button_and_starts_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YAGNA_APPKEY", raising=False)
    monkeypatch.delenv("YAGNA_API_URL", raising=False)
    view = network_view(name)
    assert (view["state"], view["title"], view["money"]) == ("down", NETWORKS[name].title, NETWORKS[name].money)
    assert "not running" in view["detail"]
    assert view["mend"]
    assert wallet_view(name) == {}


def test_a_named_node_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YAGNA_APPKEY", "0123456789abcdef")
    monkeypatch.setenv("YAGNA_API_URL", "http://127.0.0.1:1")
    view = network_view("polygon")
    assert view["state"] == "failed"
    assert "0123456789abcdef" not in str(view)
    assert wallet_view("polygon")["bad"]


def test_the_wallet_in_words_and_what_helps_when_it_is_empty() -> None:
    polygon, hoodi = NETWORKS["polygon"], NETWORKS["hoodi"]
    full = wallet_words(_FULL, polygon)
    assert full["words"] == "12.3 GLM, 0.5 POL for fees, 1 GLM reserved"
    assert not full["bad"]
    empty = wallet_words(replace(_FULL, amount=Decimal(0)), polygon)
    assert empty["bad"]
    assert empty["buy"].startswith("https://glm.golem.network/")
    assert not empty["fund"]
    assert wallet_words(replace(_FULL, gas=Decimal(0)), hoodi)["fund"]
    unknown = wallet_words(replace(_FULL, amount=None, problem="No chain."), polygon)
    assert unknown == {"words": "No chain.", "bad": True}
