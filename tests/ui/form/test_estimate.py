from __future__ import annotations

import asyncio
import concurrent.futures
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.events import now
from golem_launcher.market.benchmark import Benchmark
from golem_launcher.market.history import ProviderRecord
from golem_launcher.market.offer_order import USUAL_CORE
from golem_launcher.market.offered_machine import OfferedMachine, machines
from golem_launcher.request import parse_request
from golem_launcher.ui.form.estimate import estimate
from golem_launcher.ui.form.fields import read_typed, typed
from golem_launcher.ui.form.offers import OfferWatch
from golem_launcher.units import coins_at_a_glance
from tests.patience import slower

_CARD = "golem.!exp.gap-35.v1.inf.gpu.d0"


def _offer(name: str, per_hour: float, **sizes: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "golem.node.id.name": name,
        "golem.inf.cpu.threads": sizes.get("cpus", 4),
        "golem.inf.mem.gib": sizes.get("memory", 8.0),
        "golem.inf.storage.gib": sizes.get("disk", 20.0),
        "golem.runtime.name": "vm",
        "golem.runtime.capabilities": ["vpn", "inet", "manifest-support"],
        "golem.com.pricing.model": "linear",
        "golem.com.usage.vector": ["golem.usage.duration_sec", "golem.usage.cpu_sec"],
        "golem.com.pricing.model.linear.coeffs": [per_hour / 3600, 0.0, sizes.get("start", 0.0)],
    }
    if gpu := sizes.get("gpu"):
        properties["golem.runtime.capabilities"].append("!exp:gpu")
        properties |= {f"{_CARD}.model": gpu, f"{_CARD}.quantity": 1, f"{_CARD}.memory.total.gib": 24.0}
    return {"providerId": f"0x{name}", "properties": properties}


_MARKET = machines(
    [
        _offer("small", 0.02, cpus=1, memory=1.0),
        _offer("standard", 0.05),
        _offer("large\x1b[2J", 0.6, cpus=32, memory=128.0, gpu="GeForce RTX 3090"),
    ]
)


def test_several_machines_cost_together() -> None:
    view = estimate(parse_request({"hours": 2, "budget": 1, "machines": 2}), _MARKET)
    assert dict(view["rows"]) == {
        "2 h of 2 machines at the best price": "0.14 tGLM",
        "Never more than the budget": "1 tGLM",
        "Which would last": "14.29 h",
    }
    assert "3 machines fit" in view["headline"]
    more = estimate(parse_request({"hours": 2, "budget": 9, "machines": 5}), _MARKET)
    assert more["hint"] == "5 machines are wanted, each of another provider: the others are waited for."
    dear = estimate(parse_request({"hours": 2, "budget": "0.006", "machines": 3}), _MARKET)
    assert dear["headline"] == "1 machine fits"  # the budget pays for five minutes of three like it


def test_a_standby_is_of_another_owner_and_costs_as_well() -> None:
    paid_to = {wallet: (("erc20-hoodi-tglm", f"0x{wallet * 40}"),) for wallet in "ab"}
    small, standard, large = (replace(one, platforms=paid_to[of]) for one, of in zip(_MARKET, "aab", strict=True))
    request = parse_request({"hours": 2, "budget": 2, "standby": 1})
    view = estimate(request, [small, standard, large])
    assert dict(view["rows"]) == {
        "2 h of 2 machines at the best price": "1.24 tGLM",  # the second is no owner's of the first
        "Of that for the standby, an hour": "0.6 tGLM",
        "Never more than the budget": "2 tGLM",
        "Which would last": "3.23 h",
    }
    alone = estimate(request, [small, standard])
    assert alone["hint"].startswith("No machine of another owner fits for the standby")
    assert not any("standby" in row[0] for row in alone["rows"])


def test_what_fits_what_it_asks_and_how_long_the_budget_lasts() -> None:
    view = estimate(parse_request({"hours": 2, "budget": 1}), _MARKET)
    assert (view["state"], view["headline"]) == ("fits", "3 machines fit")
    assert view["range"] == "0.02 to 0.6 tGLM an hour"
    assert dict(view["rows"]) == {
        "2 h at the best price": "0.04 tGLM",
        "Never more than the budget": "1 tGLM",
        "Which would last": "50 h",
    }
    assert sum(view["bars"]["counts"]) == 3
    assert view["bars"]["words"] == "Prices of 3 machines: 0.02 to 0.6 tGLM an hour."
    assert "takes 0.0401 tGLM" in estimate(parse_request({"hours": 2, "budget": "0.03"}), _MARKET)["hint"]
    one = estimate(parse_request({"cpus": 2, "memory_gib": 100}), _MARKET)
    assert (one["headline"], one["bars"]["counts"]) == ("1 machine fits", [1])


def test_machines_to_choose_from_have_what_they_cost_what_they_have_and_what_is_known_of_them() -> None:
    failed = ProviderRecord(agreements=3, failures=1, last_failure="no answer", failed_at=now(), seen_at=now())
    known = {"0xsmall": failed, _MARKET[2].provider_id: ProviderRecord(overbilled=1)}
    view = estimate(parse_request({"hours": 2, "budget": 1, "allow": ["SMALL"]}), _MARKET, known)
    assert view["headline"] == "1 machine picked"
    standard, small = view["machines"]  # in the order in which they are taken; and none that billed too much
    assert (small["name"], small["price"], small["by"], standard["by"]) == ("small", "0.04", ["SMALL"], [])
    assert (small["record"], small["note"]) == ("2 of 3 sessions went well", "Failed lately: no answer")
    assert (standard["record"], standard["sizes"], standard["seen"]) == ("not tried yet", ["4", "8", "20"], None)
    assert (standard["place"], standard["speed"]) == ("", None)
    market = [replace(_MARKET[0], place="CH")]
    measured = ProviderRecord(benchmark=Benchmark(core_rate=1.4 * USUAL_CORE, cores_rate=USUAL_CORE))
    (row,) = estimate(parse_request({}), market, {market[0].provider_id: measured})["machines"]
    assert (row["place"], row["speed"], row["score"]) == ("CH", 1.4, None)
    (row,) = estimate(parse_request({}), market, scores={market[0].provider_id: 0.9})["machines"]
    assert row["score"] == 0.9


def test_who_takes_the_id_of_the_one_that_is_pinned_for_a_name_is_not_ticked() -> None:
    pinned = "0x" + "c" * 40
    market = [replace(_MARKET[0], provider_id=pinned), replace(_MARKET[0], provider_id="0x9", name=pinned)]
    view = estimate(parse_request({"hours": 2, "budget": 1, "allow": [pinned.upper()]}), market, {})
    assert view["headline"] == "1 machine picked"
    assert {row["id"]: row["by"] for row in view["machines"]} == {pinned: [pinned.upper()], "0x9": []}


def test_the_price_is_that_of_the_machine_that_is_taken_and_a_cheaper_one_that_failed_is_named() -> None:
    known = {"0xsmall": ProviderRecord(agreements=1, failures=1, last_failure="killed", failed_at=now())}
    view = estimate(parse_request({"hours": 2, "budget": 1}), _MARKET, known)
    assert view["rows"][0] == ["2 h at standard", "0.1 tGLM"]
    assert view["best"] == ["standard"]
    assert view["hint"] == "small is cheaper and failed lately: it is left for last."
    assert [(row["id"], row["beyond"]) for row in view["machines"][:2]] == [("0xstandard", False), ("0xsmall", False)]
    assert view["machines"][2]["beyond"], "it costs more than the budget"
    free = estimate(parse_request({"hours": 2, "budget": 1}), _MARKET, {"0xsmall": ProviderRecord(overbilled=1)})
    assert (free["headline"], free["rows"][0][1]) == ("2 machines fit", "0.1 tGLM"), "who billed too much is not taken"
    forgiven = estimate(parse_request({"allow": ["0xsmall"]}), _MARKET, {"0xsmall": ProviderRecord(overbilled=1)})
    assert forgiven["best"] == ["small"], "but when it is allowed by its id"
    only = parse_request({"hours": 2, "budget": 1, "deny": ["standard", "0x" + "large"]})
    assert estimate(only, _MARKET, known)["rows"][0] == ["2 h at the best price", "0.04 tGLM"]


def test_own_sessions_that_have_the_machines_are_named_and_their_machines_are_no_choice() -> None:
    request = parse_request({"memory_gib": 0.5})
    held = {machine.provider_id: name for machine, name in zip(_MARKET, "abc", strict=True)}
    view = estimate(request, _MARKET, held=held)
    assert view["headline"] == "Your own sessions use all machines that fit."
    assert "Running here already: a, b, c. End one of them" in view["hint"]
    del held["0xstandard"]
    view = estimate(request, _MARKET, held=held)
    assert [row["name"] for row in view["machines"]] == view["best"] == ["standard"]
    held = {"0xsmall": "a"}
    view = estimate(parse_request({"memory_gib": 500}), _MARKET, held=held)
    assert view["headline"] == "No machine fits."


@pytest.mark.parametrize(
    ("asked", "says", "values"),
    [
        ({"memory_gib": 200}, "Memory: 128 GiB, then 1 machine fits.", {"memory_gib": "128"}),
        ({"price_per_hour": "0.001"}, "Highest price: at least 0.02 tGLM per hour, then 1 machine fits.", None),
        ({"gpus": 1, "gpu_model": "H100"}, "GPU model: any, then 1 machine fits.", {"gpu_model": ""}),
        ({"gpus": 2}, "GPUs: 1, then 1 machine fits.", {"gpus": "1"}),
        ({"gpus": 1, "memory_gib": 500, "cpus": 64}, "Cores: 32 and Memory: 128 GiB, then 1 machine fits.", None),
        ({"allow": ["nobody"]}, "Only these providers: any, then 3 machines fit.", {"allow": ""}),
        ({"budget": "0.000001"}, "Budget: at least 0.001667 tGLM, then 1 machine fits.", {"budget": "0.001667"}),
    ],
)
def test_when_nothing_fits_it_says_what_to_loosen_and_by_how_much(
    asked: dict[str, Any], says: str, values: dict[str, str] | None
) -> None:
    view = estimate(parse_request(asked), _MARKET)
    assert view["state"] == "unfit"
    assert says in [way["text"] for way in view["loosen"]]
    if values:
        assert values in [way["values"] for way in view["loosen"]]


_sizes = st.floats(0.1, 5000)


@given(
    st.lists(
        st.builds(
            _offer,
            st.text("abc", min_size=1, max_size=3),
            st.floats(0, 100),
            cpus=st.integers(1, 300),
            memory=_sizes,
            disk=_sizes,
            start=st.floats(0, 5),
            gpu=st.sampled_from([None, "RTX 3090", "A100"]),
        ),
        max_size=6,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "cpus": st.integers(1, 256),
            "memory_gib": st.floats(0.1, 4096),
            "disk_gib": st.floats(0.1, 65536),
            "gpus": st.integers(0, 4),
            "gpu_model": st.sampled_from(["rtx", "A100", "x"]),
            "gpu_memory_gib": st.floats(1, 1024),
            "price_per_hour": st.decimals("0.000001", 100, places=6),
            "budget": st.decimals("0.000001", 1000, places=6),
            "allow": st.lists(st.sampled_from(["a", "0xb"])),
            "deny": st.lists(st.sampled_from(["a", "0xb"])),
        },
    ),
)
def test_whatever_is_asked_and_offered_a_way_that_is_named_leads_to_a_machine(
    offers: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    request, found = parse_request(asked), machines(offers)
    view = estimate(request, found)
    json.dumps(view)
    assert view["state"] == ("empty" if not found else view["state"])
    for way in view.get("loosen", ()):
        loosened = parse_request(read_typed({**typed(request), **way["values"]}))
        assert estimate(loosened, found)["state"] == "fits"


@pytest.mark.parametrize(
    "properties",
    [None, {}, {"golem.com.pricing.model": "linear"}, _offer("x", float("nan"))["properties"]],
)
def test_offers_that_make_no_sense_are_left_out(properties: Any) -> None:
    assert machines([{"providerId": "0x1", "properties": properties}]) == []


def test_strange_sizes_and_names_do_no_harm() -> None:
    (machine,) = machines([_offer("x" * 999, 1, cpus=2, memory="much", disk=float("inf"), gpu="<b>\x00")])
    assert isinstance(machine, OfferedMachine)
    assert (machine.memory_gib, machine.disk_gib, machine.gpus, machine.gpu_model) == (0.0, 0.0, 1, "<b>")
    assert len(machine.name) == 80


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0"), ("0.030612", "0.0306"), ("12.3456", "12.3"), ("1234.5", "1235"), ("4e-9", "0.000000004")],
)
def test_amounts_have_three_digits_that_count(amount: str, text: str) -> None:
    assert coins_at_a_glance(Decimal(amount)) == text


def test_without_a_node_it_says_so_and_starts_nothing() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        offers = OfferWatch(told.append, concurrent.futures.ThreadPoolExecutor(1))
        offers.consider(parse_request({}))
        assert told[-1]["state"] == "looking"
        look = asyncio.ensure_future(offers.look())
        while told[-1]["state"] != "down":  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.01)
        assert told[-1]["mend"]
        offers.consider(None)
        assert told[-1]["state"] == "invalid"
        look.cancel()
        await asyncio.wait({look})

    asyncio.run(asyncio.wait_for(main(), 20 * slower()))
