from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from golem_launcher.errors import BudgetError
from golem_launcher.market import funding
from golem_launcher.market.wallet import Payment, Wallet
from golem_launcher.networks import NETWORKS
from golem_launcher.ui.header.wallet import WalletPanel, wallet_view
from tests.market.test_outside import ME
from tests.ui.fake_node import answers_of, fake_node

_FULL = Wallet(
    identity=ME, network="polygon", token="GLM", amount=Decimal("12.34567"), gas=Decimal("0.5"),
    gas_coin="POL", reserved=Decimal(1), owed=Decimal("0.25"), url="https://polygonscan.com/address/0x1",
    payments=(Payment("2026-11-20T10:00:00Z", "0x\x1b[2J\u202eevil", Decimal(2), "0x" + "ab" * 32, "https://x/tx"),),
)  # fmt: skip


def _view(found: Wallet, network: str = "polygon", budget: str = "1", *, backed_up: bool = True) -> dict[str, Any]:
    return wallet_view(found, NETWORKS[network], Decimal(budget), backed_up=backed_up)


def test_the_wallet_in_words_and_numbers() -> None:
    view = _view(_FULL)
    assert view["words"] == "12.3 GLM, 0.5 POL for fees, 1 GLM reserved"
    assert {row["name"]: row["value"] for row in view["rows"]} == {
        "Balance": "12.34567 GLM", "For fees": "0.5 POL", "Reserved": "1 GLM", "Owed": "0.25 GLM",
    }  # fmt: skip
    assert not view["bad"]
    assert not view["urgent"]
    assert view["need"] == "The form's request needs 1 GLM, and a little POL for fees, on Polygon."
    assert view["payments"][0]["to"] == "0x\\u202eevil"
    assert view["buy"].startswith("https://glm.golem.network/")


def test_what_the_request_lacks_and_what_helps() -> None:
    short = _view(_FULL, budget="15")
    assert short["lacking"]
    assert "3.65433 GLM of that is missing" in short["need"]  # a budget of 15, and 11.34567 is free
    empty = _view(replace(_FULL, amount=Decimal(0)))
    assert empty["bad"]
    assert empty["urgent"]
    assert not empty["fund"]
    assert _view(replace(_FULL, gas=Decimal(0)), "hoodi")["fund"]
    unknown = _view(replace(_FULL, amount=None, problem="No chain."))
    assert unknown["words"] == unknown["problem"] == "No chain."
    assert not unknown["lacking"]


def test_the_back_up_is_asked_for_where_money_is_real_until_it_is_made() -> None:
    first = _view(_FULL, backed_up=False)
    assert first["urgent"]
    assert "back up the identity" in first["back_up"]["first"]
    assert _view(_FULL, "hoodi", backed_up=False)["back_up"] == {}
    assert not funding.backed_up(ME)
    funding.note_back_up(ME.upper().replace("X", "x"))
    assert funding.backed_up(ME)


def test_the_code_is_the_address() -> None:
    view = _view(_FULL)
    size = view["code"]["size"]
    fields = [[False] * size for _ in range(size)]
    for run in view["code"]["path"].split("M")[1:]:
        where, length = run.split("h")
        column, line = where.split()
        for step in range(int(length)):
            fields[int(float(line))][int(column) + step] = True
    assert fields == [[bool(dark) for dark in row] for row in funding.address_code(ME).matrix]
    assert _view(_FULL, "hoodi")["code"] == {}


def test_where_nothing_is_paid_it_says_so() -> None:
    view = _view(replace(_FULL, amount=None, gas=None, owed=None, payments=(), problem="Nothing is paid."), "local")
    assert view["words"] == view["need"] == view["buy"] == view["fund"] == ""
    assert not view["bad"]
    assert [row["value"] for row in view["rows"]] == ["1 GLM", "nothing"]


def test_it_is_looked_up_funded_and_backed_up_at_a_node() -> None:
    told: list[dict[str, Any]] = []

    async def main(answers: dict[str, Any]) -> None:
        panel = WalletPanel(told.append)
        try:
            assert panel.consider("hoodi", Decimal(20))
            assert not panel.consider("hoodi", Decimal(20))
            await panel.look()
            assert told[-1]["lacking"]
            asking = asyncio.ensure_future(panel.fund())
            await asyncio.sleep(0)
            assert told[-1]["busy"]
            await panel.fund()  # once at a time
            await asking
            assert "minted 1000" in told[-1]["said"]
            answers["/_gsb/local/driver/erc20/Fund"] = {"Err": {"inner": "deadline has elapsed"}}
            with pytest.raises(BudgetError, match="busy"):
                await panel.fund()
            assert not told[-1]["busy"]
            panel.consider("polygon", Decimal(1))
            assert "identity" not in told[-1]  # what was known is of the other network
            await panel.look()
            assert not told[-1]["back_up"]["done"]
            assert (await panel.key_file())["text"].startswith('{"address": "1212')
            assert told[-1]["back_up"]["done"]
        finally:
            panel.close()

    answers = answers_of("hoodi", "tGLM", "tETH")
    with fake_node(answers):
        asyncio.run(main(answers))


def test_a_chain_that_does_not_answer_is_waited_for_once() -> None:
    held = threading.Event()
    told: list[dict[str, Any]] = []

    async def main() -> None:
        panel = WalletPanel(told.append)
        panel.consider("polygon", Decimal(1))
        waiting = asyncio.ensure_future(panel.look())
        await asyncio.sleep(0)
        await panel.look()  # the first one still waits, so this is nothing
        assert told[-1] == {"network": "polygon", "words": "", "bad": False}
        held.set()
        await waiting
        assert "12.5 GLM" in told[-1]["words"]
        panel.close()

    answers = answers_of()
    status = answers["/_gsb/local/payment/GetStatus"]
    with fake_node(answers | {"/_gsb/local/payment/GetStatus": held, "/_gsb/local/payment/GetStatus then": status}):
        asyncio.run(main())


def test_a_node_that_fails_is_said() -> None:
    told: list[dict[str, Any]] = []

    async def main() -> None:
        panel = WalletPanel(told.append)
        panel.consider("polygon", Decimal(1))
        await panel.look()
        panel.close()

    with fake_node({}):
        asyncio.run(main())
    assert told[-1]["bad"]
    assert "is not a yagna" in told[-1]["words"]
