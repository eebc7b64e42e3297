"""Why no provider was found: what is said, and what is advised."""

from decimal import Decimal

import pytest

from golem_launcher import paths
from golem_launcher.errors import BudgetError, MarketError
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.no_provider import no_provider
from tests.market.offer import offer as market_offer
from tests.rental.test_choice import offer, request


@pytest.fixture(autouse=True)
def _no_memory(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))


def test_a_budget_too_small_says_what_would_do():
    choice = Choice(request(budget=Decimal("0.000001")))
    assert choice.score("a", offer()) is None
    assert choice.all_refused
    error = no_provider(choice, {})
    assert isinstance(error, BudgetError)
    assert "0.000001 tGLM is too small" in error.what
    needed = choice.too_dear["a"].at_most(300)
    assert str(needed.normalize()) in error.remedy
    assert Choice(request(budget=needed)).score("a", offer()) is not None


def test_no_offer_names_the_limits():
    most = {"golem.inf.cpu.threads": 4, "golem.inf.mem.gib": 8.0, "golem.inf.storage.gib": 10.0}
    offers = [{"properties": most}, {"properties": "junk"}]
    error = no_provider(Choice(request(cpus=64, memory_gib=512, disk_gib=3)), {}, offers)
    assert isinstance(error, MarketError)
    assert "64 cores, 512 GiB of memory and 3 GiB of disk" in error.what
    assert "the most offered is 4 cores, 8 GiB of memory, 10 GiB of disk" in error.what


def test_a_price_above_the_highest_allowed_is_too_dear_and_said():
    choice = Choice(request(budget=1000, price_per_hour=Decimal("0.5")))
    assert choice.score("a", offer()) is None
    error = no_provider(choice, {})
    assert isinstance(error, BudgetError)
    assert "Nobody asks as little as 0.5 tGLM an hour: the cheapest machine that fits asks 21.6 tGLM" in error.what


def test_own_sessions_that_have_all_machines_that_fit_are_named():
    choice = Choice(request(budget=1000))
    assert choice.score("a", offer()) is not None
    error = no_provider(choice, {"a": "training", "b": "other"})
    assert error.what == "Your own sessions use all machines that fit: training."
    assert error.remedy == "End one of them: golem-launcher stop training"
    abroad = Choice(request(budget=1000, outbound="unrestricted"))
    abroad.suitable.add("a")
    remedy = no_provider(abroad, {"a": "training"}).remedy
    assert "(--outbound-permit). End one of them: golem-launcher stop training" in remedy
    assert choice.score("c", offer()) is not None
    assert "training" not in no_provider(choice, {"a": "training"}).what
    choice.backoff.busy.add("c")
    assert "fit: training." in no_provider(choice, {"a": "training", "c": "this one"}).what
    choice.backoff.busy.add("a")
    assert "Your own" not in no_provider(choice, {"a": "this one", "c": "this one"}).what


def test_no_offer_says_what_to_loosen():
    offers = [market_offer("a"), market_offer("b", gpus=1, model="A100")]
    error = no_provider(Choice(request(gpus=2, gpu_model="A100")), {}, offers)
    assert "with 2 GPUs like 'A100'" in error.what
    assert error.remedy == "Loosen this: GPUs: 1, then 1 machine fits."
    assert not any(map(Choice(request(gpus=2)).fits, offers))
    assert any(map(Choice(request(gpus=1)).fits, offers))
