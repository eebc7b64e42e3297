"""The budget over several agreements, the deadline, the warnings and the meter: without a network."""

import asyncio
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from golem_launcher import clock, paths
from golem_launcher.errors import BudgetError, NodeRefused, NodeUnreachable
from golem_launcher.events import EndsSoon, Stage
from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.networks import NETWORKS
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.payment.bill_refusal import DEBIT_NOTE, INVOICE
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.request import LaunchRequest
from golem_launcher.session.lifetime.deadline import Deadline
from golem_launcher.session.lifetime.end_warnings import Warnings
from golem_launcher.session.machines.usage_meter import Meter
from golem_launcher.session.on_disk.bill import bill_of
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.supervision import preload

PRICE = Price(Decimal("0.1"), Decimal("0.001"), Decimal(0), 1, (DURATION, CPU))


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    directory = create_session_directory(LaunchRequest(name="a"))
    journal, recorder = Journal.create(directory.path), Recorder(directory)
    started = datetime.now(UTC) - timedelta(seconds=1000)
    for name in ("one", "two"):
        entry = AgreementEntry(agreement_id=name, provider_id=name, provider_name=name, price=PRICE, started_at=started)
        journal.add_agreement(entry)
    yield directory, journal, recorder
    recorder.close()


def test_all_agreements_cost_the_one_budget(session):
    directory, journal, recorder = session
    money = Money(Decimal("2.0"), journal, recorder)
    assert money.used("one", (200.0, 0.0), reserve_seconds=10) is None
    assert money.cost == Decimal("0.3")
    assert money.used("two", (100.0, 0.0), reserve_seconds=10) is None
    assert money.left == Decimal("1.5")
    assert money.affords() == 750  # both work
    money.billed("one", Decimal("0.25"), activity_id="a")  # less than what was reckoned: the bill may be late
    assert money.cost == Decimal("0.5")
    money.billed("one", Decimal("0.29"))  # the invoice is the truth
    assert money.cost == Decimal("0.49")
    money.budget = Decimal("0.99")
    assert "used up" in money.used("two", (600.0, 0.0), reserve_seconds=10)
    money.disputed("one", "too much")
    money.disputed("one", "again too much")
    assert money.dispute("one") == "too much"
    assert money.dispute("two") is None
    recorder.close()
    assert directory.state().cost == money.cost


def test_what_all_who_work_may_have_used_is_kept_for_them(session):
    """One that has not reported yet may bill for all of its time; each gets its share of the reserve."""
    _, journal, recorder = session
    unreported = PRICE.ceiling(1000)
    least = Decimal("0.3") + unreported + 2 * Decimal("0.01")
    for budget, over in ((least, True), (least + Decimal("0.1"), False)):
        used = Money(budget, journal, recorder).used("one", (200.0, 0.0), reserve_seconds=10)
        assert bool(used) is over
    journal.update_agreement("two", ended_at=datetime.now(UTC))
    assert Money(Decimal("0.32"), journal, recorder).used("one", (200.0, 0.0), reserve_seconds=10) is None


def test_a_lost_agreement_stops_to_cost(session):
    _, journal, _ = session
    lost_at = datetime.now(UTC) - timedelta(seconds=900)
    journal.update_agreement("one", lost_at=lost_at)
    assert journal.agreement("one").acceptable() < PRICE.at_most(100 + 60)
    assert journal.agreement("two").acceptable() > PRICE.at_most(1000)


def test_a_provider_that_reports_nothing_uses_up_the_budget_by_the_clock(session):
    _, journal, recorder = session  # for 1000 seconds now
    journal.update_agreement("two", ended_at=datetime.now(UTC))
    money = Money(Decimal("1.2"), journal, recorder)
    assert money.used("one", None, reserve_seconds=10) is None
    assert money.cost == pytest.approx(Decimal("1.1"), abs=Decimal("0.05"))
    assert "used up" in money.used("one", None, reserve_seconds=150)
    assert money.used("one", (200.0, 0.0), reserve_seconds=10) is None
    assert money.used("one", None, reserve_seconds=10) is None  # only not just now: the last report counts
    assert money.cost == Decimal("0.3")


def test_a_clock_that_is_set_back_makes_no_bill_too_high_and_no_session_longer(session, monkeypatch):
    _, journal, recorder = session
    money, deadline = Money(Decimal(5), journal, recorder), Deadline.of(Decimal(1))
    used = (1000.0, 0.0)

    class Back(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(minutes=20)

    for module in [module for name, module in sys.modules.items() if name.startswith("golem_launcher.")]:
        if getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Back)
    assert money.used("one", used, reserve_seconds=10) is None
    assert money.cost == pytest.approx(PRICE.cost(used, 1000.0), abs=Decimal("0.001"))
    assert journal.agreement("one").acceptable() >= PRICE.cost(used, 1000.0)
    assert 3590 < deadline.left <= 3600


def test_a_clock_that_is_set_forth_by_a_year_moves_what_others_are_told_and_no_duration(session, monkeypatch):
    directory, _, recorder = session
    deadline = Deadline.of(Decimal(1))
    recorder.enter(Stage.READY)
    before = clock.told(deadline.at)

    class Forth(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=365)

    for module in [module for name, module in sys.modules.items() if name.startswith("golem_launcher.")]:
        if getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Forth)
    assert 3590 < deadline.left <= 3600
    assert clock.set_forth() == pytest.approx(365 * 86400, abs=5)
    assert (clock.told(deadline.at) - before).total_seconds() == pytest.approx(365 * 86400, abs=5)
    recorder.enter(Stage.ENDED)
    recorder.close()
    assert directory.state().ended_at - directory.state().started_at > timedelta(days=364)
    assert bill_of(directory).seconds < 60  # and not 8760 hours


def test_the_end_of_an_allocation_is_told_by_the_time_of_day_and_one_in_the_past_names_the_clock(session, monkeypatch):
    _, journal, recorder = session
    money, asked = Money(Decimal(1), journal, recorder), []
    monkeypatch.setattr(clock, "set_forth", lambda: 7200)

    class Rest:
        async def create_allocation(self, **asked_for):
            asked.append(asked_for["timeout"])
            raise NodeRefused("Requested allocation timeout is in the past (400).", status=400)

    expires = clock.now()
    with pytest.raises(BudgetError) as caught:
        asyncio.run(money.reserve(Rest(), NETWORKS["hoodi"], "0x1", expires))
    assert asked == [expires + timedelta(hours=2)] == [journal.entries.allocation_timeout]
    assert "clock" in caught.value.remedy


@pytest.mark.parametrize("amount", [Decimal("-0.5"), Decimal("-1e30")])
def test_a_bill_below_nothing_is_refused(session, amount):
    """Accepted, it would make room in the allocation for more than the budget."""
    _, journal, recorder = session
    preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
    from golem_launcher.rental.strategy import LaunchStrategy  # noqa: PLC0415

    refused = []
    money = Money(Decimal(100), journal, recorder)
    strategy = LaunchStrategy(Choice(LaunchRequest(), known={}), journal, lambda *told: refused.append(told), money)
    amounts = {"total_amount_due": str(amount), "amount": str(amount)}
    note = SimpleNamespace(agreement_id="one", activity_id="a", payment_due_date=None, **amounts)
    assert asyncio.run(strategy.debit_note_accepted_amount(note)) < amount  # yapapi accepts what is not less
    assert asyncio.run(strategy.invoice_accepted_amount(note)) < amount
    assert [refusal.bill for _, refusal in refused] == [DEBIT_NOTE, INVOICE]
    assert all(refusal.dishonest for _, refusal in refused)


def test_a_bill_that_price_and_usage_allow_is_still_held_to_the_budget(session):
    _, journal, recorder = session
    money = Money(Decimal("1.0"), journal, recorder)
    money.billed("one", Decimal("0.8"))
    preload.engine()
    from golem_launcher.rental.strategy import LaunchStrategy  # noqa: PLC0415

    refused = []
    choice = Choice(LaunchRequest(), known={})
    strategy = LaunchStrategy(choice, journal, lambda *told: refused.append(told), money)
    note = SimpleNamespace(agreement_id="two", activity_id="a", total_amount_due="0.2", payment_due_date=None)
    assert asyncio.run(strategy.debit_note_accepted_amount(note)) == Decimal("0.2")
    note.total_amount_due = "0.21"
    assert asyncio.run(strategy.debit_note_accepted_amount(note)) < 0
    ((_, refusal),) = refused
    assert "the budget leaves" in refusal.why
    assert not refusal.dishonest  # it may have worked for it


def test_a_provider_that_hides_its_usage_and_then_tells_it_all_at_once_costs_no_more_than_the_clock(
    session, monkeypatch
):
    """Usage [0, 0] for minutes, then ten million: the end comes as it would by the clock, and the budget is shown."""
    _, journal, recorder = session
    at = datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: at)
    journal.update_agreement("one", started_at=at)
    journal.update_agreement("two", ended_at=at)
    money = Money(Decimal("0.5"), journal, recorder)  # pays for 400 s
    ends = None
    for second in range(0, 500, 3):
        at = datetime.fromtimestamp(at.timestamp() + 3, UTC)
        ends = ends or (money.used("one", (0.0, 0.0), reserve_seconds=30) and second)
        assert money.cost >= Decimal("0.001") * max(second - 30, 0) or money.cost == money.budget
    assert ends in range(360, 373)
    money.used("one", (1e7, 1e7), reserve_seconds=30)
    assert money.cost == Decimal("0.5")
    assert money.left == 0


@pytest.mark.parametrize("usage", [(float("nan"), 1.0), (1e308, 1e308), (1.0,), (1.0, 2.0, 3.0), ()])
def test_usage_that_makes_no_sense_breaks_nothing_and_hides_nothing(session, usage):
    _, journal, recorder = session  # for 1000 seconds now
    journal.update_agreement("two", ended_at=datetime.now(UTC))
    money = Money(Decimal(5), journal, recorder)
    assert money.used("one", usage, reserve_seconds=30) is None
    assert money.cost == pytest.approx(Decimal("1.1"), abs=Decimal("0.01"))


def test_what_an_activity_before_the_present_one_may_bill_counts(session):
    _, journal, _ = session
    before = journal.agreement("one").acceptable()
    journal.begin_activity("one")
    entry = journal.agreement("one")
    assert entry.activity_id is None
    assert before + PRICE.start <= entry.acceptable() < before + PRICE.at_most(30)


def test_what_an_activity_before_the_present_one_cost_is_not_paid_with_the_present_one_again(session):
    _, journal, _ = session  # for 1000 seconds now
    journal.update_agreement("one", activity_id="first")
    first = journal.agreement("one").acceptable()
    assert journal.agreement("one").objection(DEBIT_NOTE, first, activity_id="first") is None
    journal.begin_activity("one")
    journal.update_agreement("one", activity_id="second")
    entry = journal.agreement("one")
    second = PRICE.start + PRICE.per_second
    assert entry.objection(DEBIT_NOTE, second, activity_id="second") is None
    assert entry.objection(DEBIT_NOTE, first, activity_id="second").most < first
    assert entry.objection(DEBIT_NOTE, first, activity_id="first") is None  # its last one, which was under way
    assert entry.objection(INVOICE, first + second) is None


def test_nothing_is_owed_for_the_time_after_the_end(session, monkeypatch):
    _, journal, _ = session
    journal.remember_usage("one", (990.0, 0.0))
    at = clock.now()
    journal.update_agreement("one", ended_at=at)
    accepted = journal.agreement("one").acceptable()
    monkeypatch.setattr(clock, "now", lambda: at + timedelta(hours=5))
    assert journal.agreement("one").acceptable() == accepted
    assert journal.agreement("one").objection(INVOICE, accepted) is None


def test_a_refusal_is_kept_with_its_figures(session):
    directory, journal, _ = session
    journal.remember_usage("one", (10.0, 1.0))
    refusal = journal.agreement("one").objection(INVOICE, Decimal(7))
    journal.refuse("one", refusal)
    (kept,) = Journal.read(directory.path).agreement("one").refusals
    assert kept == refusal
    assert kept.most < 1 < kept.amount
    assert "7 GLM billed after 1000 s; its last report, 0 s old, was 10.0, 1.0" in kept.figures
    assert journal.agreement("one").objection(INVOICE, Decimal("NaN")) is not None
    journal.remember_usage("one", (1e308, 1.0))
    absurd = journal.agreement("one").objection(INVOICE, Decimal("1E+100000"))
    assert "its last report, 0 s old, was 1e+308, 1.0" in absurd.figures
    assert len(absurd.why) < 200


@pytest.mark.parametrize("bill", [DEBIT_NOTE, INVOICE])
def test_an_honest_provider_whose_node_stood_still_for_a_while_is_paid(session, monkeypatch, bill):
    """Its node stopped for 75 s and went on: what it bills then is true, though the last report says nothing of it."""
    _, journal, _ = session
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)
    journal.update_agreement("one", started_at=at, activity_id="a")
    at += timedelta(seconds=30)
    journal.remember_usage("one", (30.0, 30.0))
    at += timedelta(seconds=75)
    entry = journal.agreement("one")
    activity = "a" if bill == DEBIT_NOTE else None
    true = PRICE.cost((105.0, 105.0), 105.0)
    assert entry.objection(bill, true, activity_id=activity) is None
    refusal = entry.objection(bill, 2 * true, activity_id=activity)
    assert refusal.dishonest
    assert "after 105 s; its last report, 75 s old, was 30.0, 30.0" in refusal.figures


def test_an_agreement_is_asked_for_with_a_reserve():
    for hours, reserve in [("1", 3), ("10", 5), ("100", 24)]:
        deadline = Deadline.of(Decimal(hours))
        assert deadline.extendable_until is None
        ends = deadline.agree(others=False)
        assert abs((deadline.extendable_until - deadline.at).total_seconds() / 3600 - reserve) < 0.01
        assert ends > deadline.extendable_until
        assert deadline.allocation_ends() > ends


def test_warnings_come_once_and_again_after_an_extension(session):
    directory, _, recorder = session
    deadline = Deadline.of(Decimal(1))
    warnings = Warnings(recorder, deadline)
    warnings.look()
    for left in (9, 8, 1, 1, 20, 9):
        deadline.at = datetime.now(UTC) + timedelta(minutes=left)
        warnings.look()
    recorder.update(money_ends_at=datetime.now(UTC) + timedelta(minutes=1))
    warnings.look()
    recorder.close()
    told = [(event.minutes, event.why) for event in directory.events()[0] if isinstance(event, EndsSoon)]
    assert told == [(10, "time"), (2, "time"), (10, "time"), (2, "money")]


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{", b'{"time": 1}', b'{"time": 1, "cpu_seconds": -1, "memory_bytes": 1}',
     b'{"time": 1, "cpu_seconds": NaN, "memory_bytes": 1}', b'{"time": true, "cpu_seconds": 1, "memory_bytes": 1}',
     b'{"time": 1, "cpu_seconds": 1, "memory_bytes": 1e300}', b"[" * 100_000],
)  # fmt: skip
def test_nonsense_is_no_usage(answer):
    assert Meter().read(answer) is None


def test_usage_is_made_of_two_answers():
    meter = Meter()
    first = meter.read(json.dumps({"time": 10, "cpu_seconds": 5, "memory_bytes": 7, "disk_bytes": 9}).encode())
    assert (first.cpu_percent, first.memory_bytes, first.disk_bytes, first.gpu_percent) == (0.0, 7, 9, None)
    values = {"time": 14, "cpu_seconds": 11, "memory_bytes": 7, "gpu_percent": 40, "gpu_memory_bytes": 3}
    second = meter.read(json.dumps(values).encode())
    assert (second.cpu_percent, second.gpu_percent, second.gpu_memory_bytes) == (150.0, 40.0, 3)


@pytest.mark.parametrize(
    ("said", "details", "remedy"),
    [
        ("The wallet is short.", {"availableFunds": "0.1", "reservedFunds": "0"}, "Put more into the wallet"),
        ("Db error: database or disk is full", {}, "Make room"),
        ("Db error: attempt to write a readonly database", {}, "Make room"),
        ("Allocation timeout in the past", {}, "doctor"),
    ],
)
def test_the_wallet_is_blamed_for_what_it_lacks_alone(session, said, details, remedy):
    _, journal, recorder = session

    async def refuse(**_):
        raise NodeRefused(said, status=500, details=details)

    money = Money(Decimal(1), journal, recorder)
    rest = SimpleNamespace(create_allocation=refuse)
    with pytest.raises(BudgetError) as caught:
        asyncio.run(money.reserve(rest, NETWORKS["local"], "0x1", datetime.now(UTC)))
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("lost", ["answer", "patience", "disk"])
def test_an_extension_of_which_nobody_knows_whether_it_was_made_is_taken_back(session, lost):
    directory, journal, recorder = session
    money = Money(Decimal(2), journal, recorder)
    before = datetime.now(UTC) + timedelta(hours=1)
    journal.update(allocation_id="kept", allocation_timeout=before, budget=money.budget)
    reserved = []

    async def amend(_allocation_id, *, amount, timeout):
        reserved.append((amount, timeout))
        if len(reserved) > 1:
            return
        if lost == "answer":
            raise NodeUnreachable("The node hung up.")
        if lost == "patience":
            await asyncio.Event().wait()
        shutil.rmtree(directory.path)

    async def extend():
        async with asyncio.timeout(0.1):
            await money.extend(SimpleNamespace(amend_allocation=amend), Decimal(5), before + timedelta(hours=1))

    with pytest.raises((NodeUnreachable, TimeoutError, OSError)):
        asyncio.run(extend())
    assert [amount for amount, _ in reserved] == [5, 2]
    assert reserved[-1] == (2, before)
    assert (money.budget, journal.entries.budget) == (2, 2)
