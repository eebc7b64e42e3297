from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import ProviderError
from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.units import with_coin

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "golem.com.pricing.model",
    "golem.com.usage.vector",
    "golem.com.pricing.model.linear.coeffs",
    "golem.inf.cpu.threads",
)


def offer(**changes: Any) -> dict[str, Any]:
    return {
        "golem.com.pricing.model": "linear",
        "golem.com.usage.vector": [CPU, DURATION],
        "golem.com.pricing.model.linear.coeffs": [0.001, 0.002, 0.5],
        "golem.inf.cpu.threads": 4,
        **changes,
    }


def test_an_offer_is_read():
    price = Price.of_offer(offer())
    assert price.start == Decimal("0.5")
    assert price.per_second == Decimal("0.002")
    assert price.per_cpu_second == Decimal("0.001")
    assert price.at_most(100) == Decimal("0.5") + 100 * (Decimal("0.002") + 4 * Decimal("0.001"))
    assert price.per_hour() == 3600 * Decimal("0.006")


@pytest.mark.parametrize(
    "changes",
    [
        {"golem.com.pricing.model": "auction"},
        {"golem.com.usage.vector": None},
        {"golem.com.usage.vector": [CPU]},
        {"golem.com.pricing.model.linear.coeffs": [0.1, -0.1, 0.0]},
        {"golem.com.pricing.model.linear.coeffs": [0.1, float("nan"), 0.0]},
        {"golem.com.pricing.model.linear.coeffs": [0.1, float("inf"), 0.0]},
        {"golem.com.pricing.model.linear.coeffs": [0.1, True, 0.0]},
        {"golem.com.usage.vector": [CPU, "golem.usage.storage_gib"]},
        {"golem.inf.cpu.threads": 10**9},
        {"golem.inf.cpu.threads": "many"},
    ],
)
def test_a_strange_price_is_refused(changes):
    with pytest.raises(ProviderError):
        Price.of_offer(offer(**changes))


@given(st.dictionaries(st.sampled_from(KEYS), JUNK))
def test_no_offer_breaks_it(changes):
    try:
        price = Price.of_offer({**offer(), **changes})
    except ProviderError:
        return
    assert price.at_most(60) >= price.start >= 0


def test_a_bill_is_held_to_reported_usage_and_to_our_clock():
    price = Price.of_offer(offer())
    honest = price.cost([10.0, 100.0], 100.0)
    assert honest == Decimal("0.5") + Decimal("0.01") + Decimal("0.2")
    assert price.acceptable((10.0, 100.0), 100.0) >= honest
    # A provider that reports an hour after a hundred seconds is believed no more than our clock.
    assert price.acceptable((1e9, 3600.0), 100.0) <= price.ceiling(120) * Decimal("1.01")
    assert price.cost([1e9, 1e9], 100.0) == price.ceiling(100)


@given(
    used=st.lists(st.floats(min_value=0, max_value=1e308), min_size=2, max_size=2),
    seconds=st.floats(min_value=0, max_value=1e7),
    age=st.floats(min_value=0, max_value=1e7),
)
def test_what_is_owed_is_always_acceptable_and_never_more_than_the_clock_allows(used, seconds, age):
    price = Price.of_offer(offer())
    cost = price.cost(used, seconds, age=age)
    assert price.cost(used, seconds) <= cost <= price.acceptable(tuple(used), seconds, age=age)
    assert cost <= price.ceiling(seconds) + Decimal("1e-12")
    assert price.acceptable(tuple(used), seconds, age=age) <= price.acceptable(None, seconds) + Decimal("1e-12")


@pytest.mark.parametrize(
    "usage", [None, [], [1.0], [1.0, 2.0, 3.0], [float("nan"), 1.0], [1.0, float("inf")], [-1.0, 1.0]]
)
def test_a_usage_vector_that_makes_no_sense_is_no_report(usage):
    assert Price.of_offer(offer()).reported(usage) is None


HOURS = 6


@pytest.mark.parametrize("threads", [1, 2, 8, 64])
def test_an_honest_provider_at_full_load_for_hours_is_accepted_and_one_that_invents_is_not(threads):
    """Honest: all threads busy, 5 % of one for disks and card, 10 % for our files and pages, and a report 3 s old."""
    price = Price.of_offer(offer(**{"golem.inf.cpu.threads": threads}))
    for hour in range(1, HOURS + 1):
        seconds = hour * 3600.0
        honest, told = ((threads + 0.15) * at for at in (seconds, seconds - 3))
        bill = price.start + price.per_second * Decimal(seconds) + price.per_cpu_second * Decimal(honest)
        assert bill <= price.acceptable((told, seconds - 3), seconds, age=3)
        invented = (
            price.start + price.per_cpu_second * Decimal(2 * threads * seconds) + price.per_second * Decimal(seconds)
        )
        assert invented > price.acceptable((2 * threads * seconds, seconds), seconds)


def test_a_report_that_is_old_makes_room_for_what_happened_since():
    """Its node stood still for 75 s and went on; what it bills then is true."""
    price = Price.of_offer(offer())
    before, after = (40.0, 10.0), (340.0, 85.0)
    bill = price.cost(after, 85.0)
    assert bill > price.acceptable(before, 85.0)
    assert bill <= price.acceptable(before, 85.0, age=75.0)
    assert 2 * bill > price.acceptable(before, 85.0, age=75.0)


def test_ten_times_the_price_is_too_much_after_a_minute():
    price = Price.of_offer(offer(**{"golem.com.pricing.model.linear.coeffs": [0.001, 0.002, 0.0]}))
    assert price.acceptable((5.0, 60.0), 60.0) < 10 * price.cost([5.0, 60.0], 60.0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1", "1"), ("0.10", "0.1"), ("0", "0"), ("0.0000000012", "0.0000000012"), ("12.3456789", "12.345679")],
)
def test_amounts_as_people_read_them(amount, text):
    assert with_coin(Decimal(amount), "tGLM") == f"{text} tGLM"


def test_what_is_charged_twice_is_refused():
    """By the hour it would look as cheap as one of the two, and be billed for both."""
    twice = {"golem.com.usage.vector": [DURATION] * 50, "golem.com.pricing.model.linear.coeffs": [0.00001] * 50 + [0.0]}
    with pytest.raises(ProviderError, match="twice"):
        Price.of_offer(offer(**twice))


def test_what_a_provider_charges_for_is_told_short_and_plain():
    strange = "\x1b]0;title\x07\u202eevil" * 1000
    with pytest.raises(ProviderError) as raised:
        Price.of_offer(offer(**{"golem.com.usage.vector": [CPU, strange]}))
    assert raised.value.what.startswith("It charges for \\u202eevil\\u202eevil")
    assert raised.value.what.isprintable()
    assert len(raised.value.what) < 150
    free = offer(
        **{"golem.com.usage.vector": [DURATION, strange], "golem.com.pricing.model.linear.coeffs": [0.1, 0, 0]}
    )
    assert all(name.isprintable() and len(name) < 100 for name in Price.of_offer(free).counters)
