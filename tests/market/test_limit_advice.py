from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import RequestError
from golem_launcher.market.constraint import condition, subnet
from golem_launcher.market.demand_constraints import constraints
from golem_launcher.market.history import ProviderRecord
from golem_launcher.market.limit_advice import loosen, misses, why_not
from golem_launcher.market.offered_machine import OFFERED, machines
from golem_launcher.market.scan import judged
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.no_provider import no_provider
from golem_launcher.request import parse_request
from golem_launcher.request.fields import about, title
from tests.market.offer import GPU_PROPERTY, WALLET, machine, offer


def fields(request, found):
    return {limit.field for limit in misses(parse_request(request), found)}


def test_each_limit_by_itself():
    small = machine(per_hour=0.05)
    assert fields({"memory_gib": 8, "cpus": 4, "disk_gib": 20}, small) == set()
    asked = {"cpus": 5, "memory_gib": 9, "disk_gib": 21, "gpus": 1, "price_per_hour": "0.04", "budget": "0.000001"}
    assert fields(asked, small) == set(asked)
    assert fields({"software": "gpu"}, small) == {"gpus"}
    assert fields({"deny": [WALLET.upper().replace("0X", "0x")]}, small) == {"deny"}
    assert fields({"allow": ["other"]}, small) == {"allow"}
    assert fields({"allow": ["STANDARD"]}, small) == set()
    shut = machine(**{"golem.runtime.capabilities": ["vpn"]})
    assert fields({}, shut) == {"outbound"}
    assert fields({"outbound": "off"}, shut) == set()


def test_who_is_allowed_by_id_is_nobody_who_says_so_and_who_is_denied_has_many_names():
    wanted = "0x" + "Ac" * 20
    for word in (wanted, wanted.upper(), f" {wanted} "):
        assert fields({"allow": [word]}, machine("a", provider_id=wanted.lower())) == set()
        assert fields({"allow": [word]}, machine(wanted, provider_id="0x" + "1" * 40)) == {"allow"}
        assert fields({"allow": [word], "deny": [word]}, machine(wanted.upper())) == {"allow", "deny"}
        assert fields({"deny": [word]}, machine("a", provider_id=wanted)) == {"deny"}
    assert fields({"allow": [WALLET]}, machine("a")) == {"allow"}
    assert fields({"deny": [WALLET]}, machine("a")) == {"deny"}
    assert fields({"deny": ["0xA"]}, machine("a")) == {"deny"}


@given(st.text(max_size=40))
def test_no_word_gets_out_of_its_condition(word):
    made = condition("golem.node.id.name", "=", word)
    assert made.startswith("(golem.node.id.name=")
    assert made.endswith(")")
    assert not set(made[len("(golem.node.id.name=") : -1]) & set("()=<>~&|\\\0\n")


def test_a_word_that_can_not_be_written_lets_more_through_and_nothing_else():
    assert condition("a.b", "=", "A)(golem.x=1") == "(a.b=A*golem.x*1)"
    assert condition("a.b", "=", "GeForce RTX 3090") == "(a.b=GeForce RTX 3090)"
    with pytest.raises(RequestError):
        subnet("public)(golem.x=1")
    assert subnet("public-beta") == "public-beta"


@pytest.mark.parametrize(
    ("property_name", "value", "word"),
    [
        ("golem.runtime.name", "wasmtime", "wasmtime"),
        ("golem.runtime.capabilities", ["inet"], "private network"),
    ],
)
def test_what_can_not_run_it_at_all_is_said_and_never_advised(property_name, value, word):
    found = machine(**{property_name: value})
    assert any(word in reason for reason in why_not(parse_request({}), found))
    assert loosen(parse_request({}), [found]) == []


def test_a_machine_that_takes_other_money():
    arm = machine(**{"golem.inf.cpu.architecture": "aarch64"})
    assert why_not(parse_request({}), arm) == ()
    assert "aarch64" in why_not(parse_request({"network": "hoodi"}), arm)[0]
    assert "not paid in GLM on polygon" in why_not(parse_request({"network": "polygon"}), machine())[0]


def test_advice_says_what_to_loosen_and_it_helps():
    found = [machine("a"), machine("b", 0.06, **{"golem.inf.cpu.threads": 16})]
    request = parse_request({"cpus": 20})
    (advice,) = loosen(request, found)
    assert advice.text == "Cores: 16, then 1 machine fits."
    offers = judged(parse_request({"cpus": advice.values["cpus"]}), found, {}, {})
    assert [one.machine.name for one in offers.fitting] == ["b"]
    assert "4 cores, 16 are asked for" in offers.others[0].why[0]


def test_offers_come_with_their_whole_price_and_what_is_avoided():
    dear = {"golem.com.pricing.model.linear.coeffs": [1 / 3600, 0.5 / 3600, 0.25]}
    found = machines([offer("dear", **dear), offer("cheap"), {"providerId": "0xjunk", "properties": {}}, {}])
    offers = judged(
        parse_request({"hours": 2, "budget": 100}),
        found,
        {"0xcheap": ProviderRecord(overbilled=1, overbilling="it billed 9 GLM")},
        {},
    )
    (dear_one,) = offers.fitting
    assert (dear_one.start, round(dear_one.whole, 6)) == (Decimal("0.25"), Decimal("6.25"))
    assert dear_one.per_hour == 3
    assert offers.others[0].why == ("avoided: it billed 9 GLM",)
    held = judged(parse_request({"hours": 2, "budget": 100}), found, {}, {"0xdear": "training"})
    assert [one.machine.name for one in held.fitting] == ["cheap"]
    assert held.others[0].why == ("your own session 'training' has it",)


NUMBERS = st.one_of(st.floats(), st.integers(), st.sampled_from([0, -1, 1e20, 1e300, 10**400, True, None, "4"]))


@given(
    st.lists(st.tuples(st.floats(0, 1e12) | NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=3),
    st.sampled_from([{}, {"price_per_hour": "0.01"}, {"budget": "0.001"}, {"memory_gib": 64, "gpus": 1, "cpus": 8}]),
)
def test_no_offer_spoils_the_market_for_the_others(strange, asked):
    """Each provider publishes twice; the third is a plain one."""
    request = parse_request(asked)
    offers = [
        offer(
            f"p{number % 2}",
            **{
                "golem.com.pricing.model.linear.coeffs": [seconds, start, start],
                "golem.inf.cpu.threads": threads,
                "golem.inf.mem.gib": size,
                f"{GPU_PROPERTY}.quantity": threads,
                f"{GPU_PROPERTY}.memory.total.gib": size,
            },
        )
        for number, (seconds, start, threads, size) in enumerate(strange * 2)
    ]
    found = machines([*offers, offer("plain")])
    assert "plain" in {each.name for each in found}
    for each in found:
        why_not(request, each)
    loosen(request, found)
    choice = Choice(request, known={})
    for each in offers:
        choice.score(each["providerId"], each["properties"])
    no_provider(choice, {}, offers)


@pytest.mark.parametrize("name", OFFERED)
def test_what_a_field_compares_with_offers_is_asked_for_judged_and_loosened_by_the_field_itself(name):
    asked, found = parse_request({name: 9}), machine(**{about(name).offered: 3.0})
    assert f"({about(name).offered}>=9)" in constraints(asked)
    assert fields({name: 9}, found) == {name}
    (why,) = why_not(asked, found)
    assert why.startswith("3 ")
    assert title(name).casefold() in why
    assert loosen(asked, [found])[0].values == {name: "3"}
    assert fields({name: 2}, found) == set()
