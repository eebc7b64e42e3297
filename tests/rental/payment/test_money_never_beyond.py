"""What is accepted stays within the user's word: bills of several agreements and activities, in any order."""

import asyncio
import itertools
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from golem_launcher import clock, paths
from golem_launcher.errors import NodeRefused, NodeUnreachable
from golem_launcher.market import history
from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.payment import bills, closing
from golem_launcher.rental.payment.bill_refusal import DEBIT_NOTE, INVOICE
from golem_launcher.rental.payment.journal import TAG_PROPERTY, AgreementEntry, Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.supervision import preload
from tests.examples import examples

PRICE = Price(Decimal("0.1"), Decimal("0.001"), Decimal(0), 1, (DURATION, CPU))
BUDGET = Decimal(1)


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(os, "fsync", lambda _file: None)  # thousands of journals, and no power cut among them


class Business:
    """A session that pays, with its node: which accepts all that it is told to, and adds up as yagna does."""

    names = (f"session-{number}" for number in itertools.count())

    def __init__(self, agreements=("one", "two", "three")):
        preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
        from golem_launcher.rental.event_consumer import EventConsumer  # noqa: PLC0415
        from golem_launcher.rental.strategy import LaunchStrategy  # noqa: PLC0415

        self.directory = create_session_directory(LaunchRequest(name=next(self.names)))
        self.journal, self.recorder = Journal.create(self.directory.path), Recorder(self.directory)
        for name in agreements:
            entry = AgreementEntry(agreement_id=name, provider_id=f"0x{name}", provider_name=name, price=PRICE)
            self.journal.add_agreement(entry)
        self.money = Money(BUDGET, self.journal, self.recorder)
        choice = Choice(LaunchRequest(), known={})
        self.consumer = EventConsumer(choice, self.journal, self.money)
        self.strategy = LaunchStrategy(choice, self.journal, self.consumer.refused_bill, self.money)
        self.notes, self.spent, self.under_way = {}, {}, []

    def begin(self, agreement_id, activity_id):
        """An activity is asked for; ``None``: its id never comes."""
        self.journal.begin_activity(agreement_id)
        if activity_id is not None:
            self.journal.update_agreement(agreement_id, activity_id=activity_id)

    def worked(self, agreement_id, seconds):
        started = datetime.now(UTC) - timedelta(seconds=seconds)
        self.journal.update_agreement(agreement_id, started_at=started)

    def note(self, agreement_id, activity_id, amount):
        """A debit note; whether we say yes to it. Until :meth:`node_does`, the node has not done it."""
        note = SimpleNamespace(
            agreement_id=agreement_id, activity_id=activity_id, total_amount_due=str(amount), payment_due_date=None
        )
        yes = asyncio.run(self.strategy.debit_note_accepted_amount(note)) >= amount
        if yes:
            self.under_way.append((agreement_id, activity_id, amount))
        return yes

    def invoice(self, agreement_id, amount):
        bill = SimpleNamespace(agreement_id=agreement_id, amount=str(amount))
        yes = asyncio.run(self.strategy.invoice_accepted_amount(bill)) >= amount
        if yes:
            self.under_way.append((agreement_id, None, amount))
        return yes

    def node_does(self, *, tells=True):
        """The node accepts what we said yes to; without ``tells``, its answer is lost."""
        for agreement_id, activity_id, amount in self.under_way:
            if activity_id is not None:
                more = max(amount - self.notes.get((agreement_id, activity_id), Decimal(0)), Decimal(0))
                self.notes[agreement_id, activity_id] = max(amount, self.notes.get((agreement_id, activity_id), amount))
                self.spent[agreement_id] = self.spent.get(agreement_id, Decimal(0)) + more
            else:
                self.spent[agreement_id] = max(amount, self.spent.get(agreement_id, Decimal(0)))
            if tells:
                self.money.billed(agreement_id, amount, activity_id=activity_id)
        self.under_way.clear()


agreements = some.sampled_from(["one", "two"])
which = some.sampled_from(["present", "present", "before", "never asked for", "nor this"])
amounts = some.sampled_from([Decimal(amount) for amount in ("0.2", "0.35", "0.5", "0.7", "1", "1.3", "-0.5")])
steps = some.one_of(
    some.tuples(some.just("begin"), agreements),
    some.tuples(some.just("note"), agreements, which, amounts),
    some.tuples(some.just("note"), agreements, which, amounts),
    some.tuples(some.just("invoice"), agreements, amounts),
    some.tuples(some.just("node_does")),
)


@pytest.mark.slow
@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(some.lists(steps, min_size=4, max_size=12), some.booleans())
def test_no_order_of_bills_spends_more_than_the_budget_or_than_the_work_was_worth(steps, tells):
    """Each activity worked for so long that it may be billed a good half of the budget."""
    business = Business()
    activities = {"one": [], "two": []}

    def begin(agreement_id):
        activities[agreement_id].append(f"{agreement_id}-{len(activities[agreement_id])}")
        business.begin(agreement_id, activities[agreement_id][-1])
        business.worked(agreement_id, 700)

    def note(agreement_id, which, amount):
        of = activities[agreement_id]
        known = {"present": of[-1], "before": of[0]}
        business.note(agreement_id, known.get(which, which), amount)

    does = {
        "begin": begin,
        "note": note,
        "invoice": business.invoice,
        "node_does": lambda: business.node_does(tells=tells),
    }
    try:
        for agreement_id in activities:
            begin(agreement_id)
        for name, *arguments in steps:
            does[name](*arguments)
        business.node_does(tells=tells)
        assert sum(business.spent.values()) <= BUDGET
        assert business.money.cost <= BUDGET
        for agreement_id, spent in business.spent.items():
            assert spent <= len(activities[agreement_id]) * PRICE.acceptable(None, 705)
    finally:
        business.recorder.close()


def test_what_earlier_activities_were_paid_leaves_less_for_all_others():
    business = Business()
    business.begin("one", "a")
    business.worked("one", 500)
    assert business.note("one", "a", Decimal("0.6"))
    business.begin("one", "b")
    business.worked("one", 300)
    assert business.money.room("one", "b") == business.money.room("two", "c") == Decimal("0.4")
    assert business.note("one", "b", Decimal("0.3"))
    business.begin("two", "c")
    business.worked("two", 300)
    assert not business.note("two", "c", Decimal("0.2"))
    assert business.note("two", "c", Decimal("0.1"))
    assert business.invoice("one", Decimal("0.9"))
    business.node_does()
    assert sum(business.spent.values()) == business.money.cost == BUDGET


def test_activities_that_were_never_asked_for_are_paid_nothing():
    business = Business()
    business.begin("one", "a")
    business.worked("one", 100)
    assert not any(business.note("one", f"invented {number}", Decimal("0.15")) for number in range(5))
    assert business.note("one", "a", Decimal("0.2"))
    assert business.money.dispute("one") is not None


def test_an_activity_whose_id_did_not_come_is_paid_once_and_under_no_second_name():
    business = Business()
    business.begin("one", None)
    business.worked("one", 100)
    assert business.note("one", "a", Decimal("0.2"))
    assert not business.note("one", "b", Decimal("0.2"))


def test_a_note_after_the_invoice_is_not_paid_and_blames_nobody():
    business = Business()
    business.begin("one", "a")
    assert business.invoice("one", Decimal("0.1"))
    assert not business.note("one", "a", Decimal("0.1"))
    assert business.money.dispute("one") is None


@pytest.mark.parametrize("cut_off", [{"lost_at": clock.now()}, {"ended_at": clock.now(), "unheard": True}])
@pytest.mark.parametrize("what", [DEBIT_NOTE, INVOICE])
def test_a_provider_that_may_not_know_that_it_was_let_go_of_is_not_blamed_for_working_on(cut_off, what):
    business = Business()
    business.begin("one", "a")
    business.journal.update_agreement("one", **cut_off)
    bill = {
        DEBIT_NOTE: lambda: business.note("one", "a", Decimal("0.9")),
        INVOICE: lambda: business.invoice("one", Decimal("0.9")),
    }
    assert not bill[what]()
    assert business.money.dispute("one") is None
    assert not history.read()
    assert business.journal.agreement("one").refusals[0].amount == Decimal("0.9")


class Rest:
    """What a node says of its bills and its allocation."""

    def __init__(self, notes=(), invoices=(), total="1"):
        self.notes, self.issued, self.total, self.amended = notes, invoices, total, []

    async def debit_notes(self, _after):
        return list(self.notes)

    async def invoices(self, _after):
        return list(self.issued)

    async def payments(self, _after):
        return []

    async def allocations(self):
        return [{"allocationId": "kept", "totalAmount": self.total}]

    async def amend_allocation(self, allocation_id, *, amount, timeout):
        assert timeout > clock.now()
        self.amended.append((allocation_id, amount))


def note(activity_id, amount, status="ACCEPTED", second=0):
    return {
        "agreementId": "one",
        "activityId": activity_id,
        "totalAmountDue": amount,
        "status": status,
        "timestamp": f"2026-01-01T00:00:0{second}Z",
    }


def test_for_an_invoice_that_is_late_no_more_is_kept_than_the_user_gave():
    business, rest = Business(), Rest(total="0.3")
    business.begin("one", "a")
    business.worked("one", 5000)
    business.journal.update(allocation_id="kept")
    assert business.journal.agreement("one").acceptable() > 5
    assert asyncio.run(closing._await_late(rest, business.journal))
    assert rest.amended == [("kept", Decimal("0.3"))]


def test_an_invoice_that_the_node_could_not_accept_yet_keeps_its_money():
    business = Business()
    business.begin("one", "a")
    business.worked("one", 100)
    business.journal.update(allocation_id="kept")
    issued = {"agreementId": "one", "amount": "0.19", "status": "RECEIVED", "timestamp": "2026"}
    rest = Rest([note("a", "0.15")], [issued])
    assert asyncio.run(closing._await_late(rest, business.journal))
    ((_, amount),) = rest.amended
    assert Decimal("0.19") < amount < Decimal("0.25")


def test_the_bill_adds_up_activities_and_counts_what_was_accepted_before_a_note_that_is_not():
    business = Business()
    business.begin("one", "a")
    notes = [note("a", "0.5", second=1), note("a", "0.2"), note("b", "0.3", second=2), note("b", "9", "RECEIVED", 3)]
    bill = asyncio.run(bills.collect(Rest(notes), business.journal))[0]
    assert (bill.debited, bill.accepted, bill.cost) == (Decimal("9.5"), Decimal("0.8"), Decimal("0.8"))


@pytest.mark.parametrize("hears", [True, False])
def test_whether_a_provider_heard_of_the_end_is_written_down(hears):
    business = Business()
    business.begin("one", "a")

    async def ends(*_):
        if not hears:
            raise NodeRefused("The provider can't be reached.", status=500)

    async def agreement(_agreement_id):
        return {"state": "Terminated" if hears else "Approved"}

    rest = SimpleNamespace(terminate_agreement=ends, destroy_activity=ends, agreement=agreement)
    asyncio.run(closing.end_agreement(rest, business.journal, business.journal.agreement("one")))
    entry = business.journal.agreement("one")
    assert entry.ended_at is not None
    assert entry.unheard is not hears
    assert entry.over is hears


class SlowNode(Rest):
    """A node at which agreements end as yagna's do: only once their provider answered, which some never do."""

    def __init__(self, deaf=()):
        super().__init__()
        self.deaf, self.ended, self.asked, self.released = set(deaf), set(), [], []

    async def agreement(self, agreement_id):
        return {"state": "Terminated" if agreement_id in self.ended else "Approved"}

    async def agreements(self, _after):
        return []

    async def activities(self, _agreement_id):
        return []

    async def networks(self):
        return []

    async def cancel_agreement(self, _agreement_id, _message):
        """It is signed, so nothing happens."""

    async def terminate_agreement(self, agreement_id, _message):
        self.asked.append(agreement_id)
        if agreement_id in self.deaf:
            raise NodeRefused("The provider can't be reached.", status=500)
        self.ended.add(agreement_id)

    async def destroy_activity(self, _activity_id):
        """It ends with the agreement, or is asked for at once."""

    async def release_allocation(self, allocation_id):
        self.released.append(allocation_id)


@pytest.mark.parametrize(("budget", "paid"), [("0.5", ["of two"]), ("0.61", ["of one", "of two"])])
def test_what_closes_down_keeps_to_the_budget_though_the_node_has_reserved_more(budget, paid):
    business, node = Business(["one", "two"]), SlowNode()
    node.issued = [
        {"agreementId": name, "invoiceId": f"of {name}", "amount": "0.3", "status": "RECEIVED", "timestamp": "2026"}
        for name in ("one", "two")
    ]
    node.notes = [{**note("activity of two", "0.25"), "agreementId": "two"}]
    accepted = []

    async def accept_invoice(invoice_id, *, amount, allocation_id):
        assert (amount, allocation_id) == ("0.3", "kept")
        accepted.append(invoice_id)

    node.accept_invoice = accept_invoice
    for name in ("one", "two"):
        business.begin(name, f"activity of {name}")
        business.worked(name, 1000)
    business.journal.update(demanded=True, allocation_id="kept", budget=Decimal(budget))
    asyncio.run(closing.close_down(node, business.journal))
    assert accepted == paid
    refused = business.journal.agreement("one").refused
    assert ("more than the 0.25 " in refused) is (len(paid) == 1)
    assert not history.read(), "it is nobody's fault"


def test_an_agreement_that_could_not_be_ended_is_ended_later():
    business, node = Business(), SlowNode(deaf=["two"])
    business.journal.update(demanded=True, allocation_id="kept")
    asyncio.run(closing.close_down(node, business.journal))
    entries = business.journal.entries
    assert [entry.over for entry in entries.agreements] == [True, False, True]
    assert (entries.lingers, entries.closed, node.released) == (True, False, ["kept"])
    assert leftovers.awaits(business.directory)
    node.deaf.clear()
    again = Journal.read(business.directory.path)  # another process
    asyncio.run(closing.close_down(node, again))
    assert node.asked == ["one", "two", "three", "two"]
    assert (again.entries.closed, again.entries.lingers) == (True, False)
    assert not leftovers.awaits(business.directory)


def test_an_agreement_is_given_up_when_that_is_tried_first_though_the_node_is_away_then():
    business, node = Business(["one", "two"]), SlowNode()
    business.journal.update(demanded=True)
    terminate = node.terminate_agreement

    async def away(agreement_id, message):
        if agreement_id == "one":
            raise NodeUnreachable("The node is away.")
        await asyncio.sleep(0.05)
        await terminate(agreement_id, message)

    node.terminate_agreement = away
    with pytest.raises(NodeUnreachable):
        asyncio.run(closing.close_down(node, business.journal))
    given_up = [entry.ended_at for entry in Journal.read(business.directory.path).entries.agreements]
    assert None not in given_up
    node.terminate_agreement = terminate
    again = Journal.read(business.directory.path)
    assert [entry.over for entry in again.entries.agreements] == [False, True], "one that fails holds up no other"
    asyncio.run(closing.close_down(node, again))
    assert [entry.ended_at for entry in again.entries.agreements] == given_up, "hours may lie between"
    assert [entry.unheard for entry in again.entries.agreements] == [True, False]
    assert again.entries.closed


def test_what_a_node_that_answers_nothing_could_not_be_told_is_given_up_all_the_same():
    business, node = Business(["one"]), SlowNode()
    business.journal.update(demanded=True)

    async def away(*_):
        raise NodeUnreachable("The node is away.")

    agreements, node.agreements = node.agreements, away
    with pytest.raises(NodeUnreachable):
        asyncio.run(closing.close_down(node, business.journal))
    again = Journal.read(business.directory.path)
    given_up = again.agreement("one").ended_at
    assert given_up is not None
    node.agreements = agreements
    asyncio.run(closing.close_down(node, again))
    assert (again.agreement("one").ended_at, again.agreement("one").unheard, again.entries.closed) == (
        given_up,
        True,
        True,
    )


def test_a_provider_that_never_answers_is_not_asked_for_ever(monkeypatch):
    business, node = Business(), SlowNode(deaf=["two"])
    business.journal.update(demanded=True)
    asyncio.run(closing.close_down(node, business.journal))
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(closing.clock, "now", lambda: later)
    asyncio.run(closing.close_down(node, business.journal))
    assert business.journal.entries.closed


class TroubledNode(SlowNode):
    """A node that can't tell of agreements for now, or knows of none."""

    def __init__(self, status):
        super().__init__()
        self.status, self.listed = status, []

    async def agreement(self, agreement_id):
        if self.status:
            raise NodeRefused("It says no.", status=self.status)
        found = await super().agreement(agreement_id)
        return found | {"demand": {"properties": {TAG_PROPERTY: self.tag}}, "offer": {"providerId": "0x4"}}

    async def activities(self, agreement_id):
        if self.status:
            raise NodeRefused("It says no.", status=self.status)
        return [f"activity of {agreement_id}"]

    async def agreements(self, _after):
        return [{"id": each} for each in self.listed]


@pytest.mark.parametrize("status", [404, 410])
def test_an_agreement_that_the_node_knows_no_more_is_over(status):
    business, node = Business(), TroubledNode(status)
    business.journal.update(demanded=True)
    node.listed = ["forgotten"]
    asyncio.run(closing.close_down(node, business.journal))
    assert all(entry.over for entry in business.journal.entries.agreements)
    assert business.journal.entries.closed


@pytest.mark.parametrize("status", [500, 503])
def test_an_agreement_that_the_node_cannot_tell_of_for_now_is_asked_for_again(status):
    business, node = Business(), TroubledNode(status)
    business.journal.update(demanded=True, allocation_id="kept")
    node.listed, node.tag = ["forgotten"], business.journal.entries.tag
    with pytest.raises(NodeRefused):
        asyncio.run(closing.close_down(node, business.journal))
    assert sorted(node.asked) == ["one", "three", "two"], "what is known is ended all the same"
    assert not any(entry.over for entry in business.journal.entries.agreements)
    assert not business.journal.entries.closed
    node.status = 0
    asyncio.run(closing.close_down(node, business.journal))
    entries = business.journal.entries
    assert {entry.agreement_id for entry in entries.agreements} == {"one", "two", "three", "forgotten"}
    assert all(entry.over and entry.activity_id for entry in entries.agreements)
