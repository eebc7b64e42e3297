from decimal import Decimal

from golem_launcher.errors import BudgetError, MarketError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.choice import Choice, offers_at_most
from tests.session.test_prices import offer


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


def test_a_budget_too_small_says_what_would_do():
    choice = Choice(request(budget=Decimal("0.000001")))
    assert choice.score("a", offer()) is None
    assert choice.all_refused
    error = choice.failure()
    assert isinstance(error, BudgetError)
    assert "0.000001 GLM is too small" in error.what
    needed = choice.too_dear["a"].at_most(300)
    assert str(needed.normalize()) in error.remedy
    assert Choice(request(budget=needed)).score("a", offer()) is not None


def test_no_offer_names_the_limits():
    most = {"golem.inf.cpu.threads": 4, "golem.inf.mem.gib": 8.0, "golem.inf.storage.gib": 10.0}
    offers = [{"properties": most}, {"properties": "junk"}]
    error = Choice(request(cpus=64, memory_gib=512, disk_gib=3)).failure(offers_at_most(offers))
    assert isinstance(error, MarketError)
    assert "64 cores, 512 GiB of memory and 3 GiB of disk" in error.what
    assert "the most offered is 4 cores, 8 GiB of memory, 10 GiB of disk" in error.what


def test_a_provider_that_failed_is_not_taken_again():
    choice = Choice(request(budget=1000))
    assert choice.score("a", offer()) is not None
    choice.exclude("a", "\x1b[31mevil", "it hung")
    assert choice.score("a", offer()) is None
    error = choice.failure()
    assert isinstance(error, MarketError)
    assert "evil: it hung" in error.what
    assert "\x1b" not in error.what


def test_an_offer_that_makes_no_sense_is_refused_and_named():
    choice = Choice(request())
    assert choice.score("a", offer(**{"golem.com.pricing.model": "auction"})) is None
    assert "not linear" in choice.failure().what
