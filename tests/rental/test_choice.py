import time
from datetime import UTC, datetime

import pytest

from golem_launcher import files, paths
from golem_launcher.errors import MarketError
from golem_launcher.market import history
from golem_launcher.market.history import ProviderRecord
from golem_launcher.market.offered_machine import machines
from golem_launcher.market.quote import quote
from golem_launcher.market.scan import judged
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.no_provider import no_provider
from golem_launcher.request import LaunchRequest
from golem_launcher.session_state import ProvidersSeen
from tests.market.offer import offer as market_offer
from tests.patience import slower

COEFFICIENTS = "golem.com.pricing.model.linear.coeffs"


def offer(name="standard", **changes):
    return market_offer(name, **{COEFFICIENTS: [0.002, 0.001, 0.5], **changes})["properties"]


@pytest.fixture(autouse=True)
def _no_memory(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))


def request(**fields):
    return LaunchRequest(**{"name": "x", **fields})


def test_the_cheaper_offer_scores_higher():
    choice = Choice(request(budget=1000))
    cheap = choice.score("a", offer(**{"golem.com.pricing.model.linear.coeffs": [0.001, 0.001, 0.0]}))
    dear = choice.score("b", offer(**{"golem.com.pricing.model.linear.coeffs": [0.002, 0.002, 0.0]}))
    assert cheap is not None
    assert dear is not None
    assert cheap > dear >= 0
    assert not choice.all_refused


def test_each_provider_that_was_seen_is_counted_once():
    choice = Choice(request(budget=10, cpus=2, deny=["named"]))
    choice.score("cheap", offer())
    choice.score("lost", offer())
    choice.score("dear", offer(**{COEFFICIENTS: [9.0, 9.0, 900.0]}))
    choice.score("small", offer(**{"golem.inf.cpu.threads": 1}))
    choice.score("named", offer("named"))
    for _ in range(2):
        choice.score("cheap", offer())
        assert choice.judged == ProvidersSeen(suitable=2, too_dear=1, unfit=1, unwanted=1)
    choice.backoff.busy.add("cheap")
    choice.ban("lost", "lost", "it billed too much")
    assert choice.judged == ProvidersSeen(suitable=1, too_dear=1, unfit=1, unwanted=1, set_aside=1)


def test_a_provider_that_failed_comes_after_all_others_and_one_that_billed_too_much_never():
    dear = {"golem.com.pricing.model.linear.coeffs": [0.3, 0.3, 0.0]}
    choice = Choice(request(budget=10**5))
    first = choice.score("a", offer())
    assert first is not None
    choice.failed("a", "\x1b[31mevil", "it hung")
    again, other = choice.score("a", offer()), choice.score("b", offer(**dear))
    assert again is not None
    assert 0 < again < other < first
    choice.ban("b", "crook", "it billed too much")
    assert choice.score("b", offer()) is None
    assert choice.hopeless  # the one is out, the other one let alone for longer than anybody waits
    error = no_provider(choice, {})
    assert isinstance(error, MarketError)
    assert "evil: it hung" in error.what
    assert "crook: it billed too much" in error.what
    assert "\x1b" not in error.what


def test_an_offer_that_makes_no_sense_is_refused_and_named():
    choice = Choice(request())
    assert choice.score("a", offer(**{"golem.com.pricing.model": "auction"})) is None
    assert "not linear" in no_provider(choice, {}).what


def test_machines_that_cost_nearly_the_same_take_turns():
    near = {"golem.com.pricing.model.linear.coeffs": [0.00105, 0.0, 0.0]}
    cheap = {"golem.com.pricing.model.linear.coeffs": [0.001, 0.0, 0.0]}
    first = set()
    for _ in range(100):
        choice = Choice(request(budget=1000))
        first.add(choice.score("near", offer(**near)) > choice.score("cheap", offer(**cheap)))
        assert choice.score("dear", offer()) < min(choice.score("near", offer(**near)), 1)
    assert first == {True, False}


def test_who_over_billed_is_not_taken_and_who_failed_is_taken_last():
    now = datetime.now(UTC)
    known = {
        "bad": ProviderRecord(overbilled=1),
        "weak": ProviderRecord(failures=1, failed_at=now, last_failure="it hung"),
    }
    choice = Choice(request(budget=1000), known=known)
    assert choice.score("bad", offer()) is None
    assert "once billed too much" in no_provider(choice, {}).what
    cheap = {"golem.com.pricing.model.linear.coeffs": [0.001, 0.0005, 0.0]}
    assert choice.score("weak", offer(**cheap)) < choice.score("fine", offer())
    named = Choice(request(budget=1000, allow=["bad"]), known=known)
    assert named.score("bad", offer(**{"golem.node.id.name": "bad"})) is not None
    assert named.score("fine", offer(**{"golem.node.id.name": "fine"})) is None
    by_name = Choice(request(budget=1000, allow=["nice"]), known=known)
    assert by_name.score("bad", offer("nice")) is None, "who billed too much took another's name"
    assert by_name.score("fine", offer("nice")) is not None


def test_reputation_comes_before_price():
    cheap = {"golem.com.pricing.model.linear.coeffs": [0.00001, 0.0, 0.0]}
    choice = Choice(request(budget=1000, choose="reputation"), known={}, reputation={"good": 0.9, "poor": 0.1})
    assert choice.score("good", offer()) > choice.score("poor", offer(**cheap))
    assert choice.score("other-1", offer(**cheap)) > choice.score("other-2", offer())


def test_who_is_not_wanted_by_name_does_not_end_the_search():
    """The offer of the one that is wanted may be late."""
    choice = Choice(request(budget=1000, allow=["wanted"]))
    assert choice.score("other", offer()) is None
    assert choice.all_refused
    assert not choice.hopeless
    assert "not among the providers that you allow" in no_provider(choice, {}).what
    small = offer(**{"golem.node.id.name": "wanted", "golem.inf.mem.gib": 0.01})
    assert choice.score("wanted", small) is None
    assert choice.hopeless


@pytest.mark.parametrize(
    "raised", [[0.002, 0.001, 0.6], [0.0021, 0.001, 0.1], [0.0001, 0.0011, 0.5], [0.001, 0.0, 0.51]]
)
def test_a_part_of_the_price_that_rises_after_the_offer_is_refused_though_the_rest_falls(raised):
    choice = Choice(request(budget=1000))
    assert choice.score("a", offer("riser")) is not None
    assert choice.score("a", offer("riser", **{COEFFICIENTS: raised}), answered=True) is None
    assert choice.all_refused
    assert (
        "riser: it offered itself for 0.5 tGLM at the start, 7.2 tGLM an hour and 3.6 tGLM an hour of each of 4 threads"
        in (no_provider(choice, {}).what)
    )
    assert choice.score("a", offer("riser", **{COEFFICIENTS: [0.001, 0.001, 0.5]}), answered=True) is not None


def test_a_provider_with_two_offers_raises_nothing_by_the_dearer_one():
    choice = Choice(request(budget=1000))
    cheap, dear = offer("two"), offer("two", **{COEFFICIENTS: [0.01, 0.01, 1.0]})
    for first, second in ((cheap, dear), (dear, cheap)):
        assert choice.score("two", first) is not None
        assert choice.score("two", second) is not None
        assert choice.score("two", second, answered=True) is not None
        assert choice.score("two", first, answered=True) is not None
    assert choice.score("two", offer("two", **{COEFFICIENTS: [0.01, 0.02, 1.0]}), answered=True) is None


@pytest.mark.parametrize(
    "useless", [{COEFFICIENTS: [1000.0, 0.0, 0.0]}, {"golem.inf.mem.gib": 0.01}, {"golem.com.pricing.model": "auction"}]
)
def test_an_offer_that_will_not_do_takes_nothing_from_the_other_one_of_its_provider(useless):
    choice = Choice(request(budget=100))
    fits, not_so = offer("two"), offer("two", **useless)
    for offers in ((fits, not_so), (not_so, fits)):
        for each in offers:
            choice.score("two", each)
        assert not choice.hopeless
    assert choice.score("two", not_so, answered=True) is None
    assert choice.hopeless  # it came to no terms with us


@pytest.mark.parametrize(
    "agreed", [[0.002, 0.001, 0.6], [0.0001, 0.0, 0.6], [0.002, 0.0011, 0.0], [0.001, 0.001], "none"]
)
def test_what_is_signed_costs_no_more_than_what_was_judged(agreed):
    choice = Choice(request(budget=1000))
    assert not choice.refuses_to_sign("a", offer("riser"), offer("riser"))
    assert not choice.refuses_to_sign("a", offer("riser"), offer("riser", **{COEFFICIENTS: [0.001, 0.001, 0.5]}))
    choice.score("a", offer("riser"))
    assert choice.refuses_to_sign("a", offer("riser"), offer("riser", **{COEFFICIENTS: agreed}))
    assert choice.all_refused
    assert (
        "(riser: it" in no_provider(choice, {}).what or "(riser: Its price is malformed" in no_provider(choice, {}).what
    )
    assert choice.score("a", offer("riser")) is None


def test_a_lock_that_another_process_holds_stops_nobody_and_nothing_is_forgotten():
    """Longer than whoever writes waits for the lock: what is decided here goes on, the note comes later."""
    choice = Choice(request())
    with files.locked(paths.home() / f".{history.FILE}.lock", deadline=20):
        choice.lost("0x1", "dies", "it died")
        assert history.read() == {}
    end = time.monotonic() + 20 * slower()
    while not history.read():
        assert time.monotonic() < end
    assert history.read()["0x1"].last_failure == "it died"


def rates(second):
    return {COEFFICIENTS: [second, 0.0, 0.0]}


@pytest.mark.parametrize("fields", [{}, {"hours": 9}, {"choose": "reputation"}])
def test_what_is_told_beforehand_is_the_order_in_which_machines_are_taken(fields):
    """The estimate, the table, `quote` and `offers` go by it, and sessions by their scores."""
    asked = request(budget=10**5, **fields)
    failed = ProviderRecord(agreements=4, failures=1, failed_at=datetime.now(UTC), last_failure="killed")
    known = {"a": failed, "c": ProviderRecord(agreements=9), "e": failed}
    offers = {name: offer(name, **rates(0.001 * 1.7**place)) for place, name in enumerate("abcdefgh")}
    choice = Choice(asked, known=known)
    taken = sorted(offers, key=lambda name: choice.score(name, offers[name]), reverse=True)
    told = judged(asked, machines({"providerId": name, "properties": one} for name, one in offers.items()), known, {})
    assert [one.machine.provider_id for one in told.fitting] == taken
    assert quote(asked, told).providers == (taken[0],)
    if taken[0] == "b":
        assert quote(asked, told).left_for_last == ("a is cheaper and failed lately: it is left for last.",)


def test_why_a_dearer_one_was_taken_is_said():
    known = {"failed": ProviderRecord(failed_at=datetime.now(UTC), last_failure="Its sandbox was killed.")}
    choice = Choice(request(budget=10**5), known=known)
    asks = {
        name: 0.001 * 1.3**place for place, name in enumerate(("failed", "refused", "slow", "silent", "taken", "dear"))
    }
    for name, rate in asks.items():
        choice.score(name, offer(name, **rates(rate)))
    for name in ("slow", "taken"):
        choice.score(name, offer(name, **rates(asks[name])), answered=True)
    choice.did_not_sign("refused", "refused")
    assert choice.why_dearer("taken") == [
        "taken, not failed, which is cheaper: it failed lately (Its sandbox was killed).",
        "taken, not refused, which is cheaper: it did not sign the agreement.",
        "taken, not slow, which is cheaper: it did not sign in time.",
    ]
    assert choice.why_dearer("failed") == []
    near = Choice(request(budget=10**5))
    for name, second in (("cheap", 0.001), ("near", 0.0011)):
        near.score(name, offer(name, **rates(second)))
    assert near.why_dearer("near") == []


def test_a_better_offer_is_waited_for_and_a_worse_one_is_not():
    choice = Choice(request(budget=10**5))
    cheap, dear = (choice.score(name, offer(name, **rates(rate))) for name, rate in (("cheap", 0.001), ("dear", 1)))
    assert choice.may_do_better({"cheap"}, [dear])
    assert not choice.may_do_better({"dear"}, [cheap])
    assert choice.may_do_better({"not judged yet"}, [cheap])
    assert not choice.may_do_better(set(), [])
    several = Choice(request(budget=10**5, machines=2))
    several.score("dear", offer("dear", **rates(1)))
    assert several.may_do_better({"dear"}, [cheap])
    assert not several.may_do_better({"dear"}, [cheap] * 2)
