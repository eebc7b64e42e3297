from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import ProviderError
from golem_launcher.market.prices import CPU, DURATION, Price, glm

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
    assert price.acceptable((1e9, 3600.0), 100.0) <= price.at_most(120) * Decimal("1.01")
    assert price.cost([1e9, 1e9], 100.0) == price.at_most(100)


@given(
    used=st.lists(st.floats(min_value=0, max_value=1e7), min_size=2, max_size=2),
    seconds=st.floats(min_value=0, max_value=1e7),
)
def test_what_is_owed_is_always_acceptable_and_never_more_than_the_clock_allows(used, seconds):
    price = Price.of_offer(offer())
    cost = price.cost(used, seconds)
    assert cost <= price.acceptable(tuple(used), seconds)
    assert cost <= price.at_most(seconds) + Decimal("1e-12")
    assert price.cost([float("nan"), float("inf")], seconds) == price.start


def test_ten_times_the_price_is_too_much_after_a_minute():
    price = Price.of_offer(offer(**{"golem.com.pricing.model.linear.coeffs": [0.001, 0.002, 0.0]}))
    assert price.acceptable((5.0, 60.0), 60.0) < 10 * price.cost([5.0, 60.0], 60.0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1", "1"), ("0.10", "0.1"), ("0", "0"), ("0.0000000012", "0.0000000012"), ("12.3456789", "12.345679")],
)
def test_amounts_as_people_read_them(amount, text):
    assert glm(Decimal(amount)) == f"{text} GLM"


def test_what_is_charged_twice_is_refused():
    """By the hour it would look as cheap as one of the two, and be billed for both."""
    twice = {"golem.com.usage.vector": [DURATION] * 50, "golem.com.pricing.model.linear.coeffs": [0.00001] * 50 + [0.0]}
    with pytest.raises(ProviderError, match="twice"):
        Price.of_offer(offer(**twice))
