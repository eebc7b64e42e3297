"""The rules of Golem's providers: what is taken over, what is dropped, what is refused."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.localnet.negotiation import (
    CHOSEN_PLATFORM,
    COEFFICIENTS,
    EXPIRATION,
    NOTE_ACCEPT_TIMEOUT,
    NOTE_INTERVAL,
    PAYMENT_TIMEOUT,
    Negotiator,
    ProposalRefused,
)

HOUR = 3600
OFFER = {NOTE_INTERVAL: 120, PAYMENT_TIMEOUT: 120, NOTE_ACCEPT_TIMEOUT: 240, COEFFICIENTS: [0.1, 0.2, 0.0], "other": 1}
RULES = Negotiator()


def demand(seconds: float = 1800 - 5, **properties: Any) -> dict[str, Any]:
    return {
        CHOSEN_PLATFORM: "erc20-hoodi-tglm",
        EXPIRATION: int((time.time() + seconds) * 1000),
        **{NAMES[name]: value for name, value in properties.items()},
    }


NAMES = {"interval": NOTE_INTERVAL, "payment": PAYMENT_TIMEOUT, "accept": NOTE_ACCEPT_TIMEOUT, "price": COEFFICIENTS}


def test_what_a_demand_says_nothing_of_is_dropped() -> None:
    assert RULES.answer(OFFER, demand()) == {COEFFICIENTS: [0.1, 0.2, 0.0], "other": 1}


def test_what_a_demand_asks_for_is_taken_over() -> None:
    agreed = RULES.answer(OFFER, demand(20 * HOUR, interval=60, payment=18000, accept=30, price=[0.3, 0.2, 0]))
    assert (agreed[NOTE_INTERVAL], agreed[PAYMENT_TIMEOUT], agreed[NOTE_ACCEPT_TIMEOUT]) == (60, 18000, 30)
    assert agreed[COEFFICIENTS] == [0.3, 0.2, 0]


@pytest.mark.parametrize(
    ("wanted", "says", "final"),
    [
        ({"seconds": 299}, "less than 5min", True),
        ({"seconds": 31 * 60}, "more than 30min", False),
        ({"seconds": 10 * HOUR + 5, "accept": 240}, "mid-agreement payments", True),
        ({"seconds": -1, "accept": 240}, "in the past", True),
        ({"accept": 241}, "should be less than 240s", True),
        ({"accept": 4}, "To low DebitNotes timeout", True),
        ({"interval": 0}, "interval 0s not in acceptable range", True),
        ({"interval": 24 * HOUR + 1}, "interval 86401s not in acceptable range", True),
        ({"payment": 0}, "payment timeout 0s not in acceptable range", True),
        ({"interval": 60.0}, "Unexpected value", True),
        ({"interval": "soon"}, "Unexpected value", True),
        ({"price": [0.1]}, "invalid price vector", False),
        ({"price": [0.1, 0.1, 0]}, "<", True),
    ],
)
def test_what_is_beyond_the_limits_is_refused(wanted: dict[str, Any], says: str, *, final: bool) -> None:
    with pytest.raises(ProposalRefused, match=re.escape(says)) as caught:
        RULES.answer(OFFER, demand(**wanted))
    assert caught.value.reason()["golem.proposal.rejection.is-final"] is final


def test_a_platform_must_be_chosen() -> None:
    with pytest.raises(ProposalRefused, match="chosen-platform"):
        RULES.answer(OFFER, {EXPIRATION: int((time.time() + 600) * 1000)})


def test_an_agreement_is_taken_when_nothing_is_left_to_negotiate() -> None:
    wanted = demand(interval=60)
    RULES.check(RULES.answer(OFFER, wanted), wanted)
    with pytest.raises(ProposalRefused, match="Negotiations aren't finished"):
        RULES.check(OFFER, wanted)


@given(
    st.dictionaries(
        st.sampled_from([*NAMES.values(), EXPIRATION, CHOSEN_PLATFORM]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.floats()),
    )
)
def test_any_demand_is_answered_or_refused(wanted: dict[str, Any]) -> None:
    try:
        agreed = RULES.answer(OFFER, wanted)
    except ProposalRefused:
        return
    RULES.check(agreed, wanted)
