"""The payment terms that we promise, before a negotiator with ya-provider's rules; and the pace of debit notes."""

from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.rental.payment import debit_note_rate as pace
from golem_launcher.rental.payment.debit_note_rate import DebitNoteRate
from golem_launcher.rental.payment_terms import ACCEPT_TIMEOUT, NOTE_INTERVAL, PAYMENT_TIMEOUT, payment_timeout, terms
from golem_launcher.session.lifetime.deadline import Deadline

HOUR = 3600
PUBLISHED = {NOTE_INTERVAL: 120, ACCEPT_TIMEOUT: 240, PAYMENT_TIMEOUT: 120}
"""What a provider offers that is left as it comes."""


def refusal(offer, demand, *, lasts):
    """What a negotiator left as it comes says to a demand's terms; empty when they agree. Reads whole numbers only."""
    day = 24 * HOUR
    for name, least, most in ((NOTE_INTERVAL, 1, day), (PAYMENT_TIMEOUT, 1, day), (ACCEPT_TIMEOUT, 5, 2**32)):
        value = demand.get(name)
        if value is not None and (type(value) is not int or name not in offer or not least <= value <= most):
            return f"{name}: {value}"
    if demand.get(ACCEPT_TIMEOUT, 0) > offer.get(ACCEPT_TIMEOUT, 0):
        return "DebitNote acceptance deadline should be less"
    if not 5 * 60 <= lasts <= (100 * 8766 * HOUR if ACCEPT_TIMEOUT in demand else 30 * 60):
        return "Proposal expires too early or too late"
    if lasts >= 10 * HOUR and PAYMENT_TIMEOUT not in demand:
        return "mid-agreement payments are required"
    return ""


def test_each_term_of_an_offer_gets_our_word():
    assert terms(PUBLISHED, lasts=4 * HOUR) == {NOTE_INTERVAL: 120, ACCEPT_TIMEOUT: 240}
    assert terms(PUBLISHED, lasts=5 * HOUR) == {NOTE_INTERVAL: 120, ACCEPT_TIMEOUT: 240, PAYMENT_TIMEOUT: 5 * HOUR}
    assert terms({**PUBLISHED, NOTE_INTERVAL: 1}, lasts=HOUR)[NOTE_INTERVAL] == 2
    assert terms({}, lasts=20 * HOUR) == {}


@given(
    st.fixed_dictionaries(
        {
            NOTE_INTERVAL: st.integers(1, 24 * HOUR),
            ACCEPT_TIMEOUT: st.integers(5, 10**6),
            PAYMENT_TIMEOUT: st.integers(1, 24 * HOUR),
        }
    ),
    st.decimals("0.01", "8766", places=2),
)
def test_a_negotiator_as_it_comes_agrees_for_every_length_of_a_session(offer, hours):
    deadline = Deadline.of(hours)
    lasts = (deadline.agree(others=False) - deadline.at).total_seconds() + float(hours) * HOUR
    assert refusal(offer, terms(offer, lasts=lasts), lasts=lasts) == ""


JUNK = st.none() | st.booleans() | st.floats() | st.text() | st.integers()


@given(st.dictionaries(st.sampled_from(sorted(PUBLISHED)), JUNK))
def test_terms_that_make_no_sense_are_not_promised(offer):
    for name, value in terms(offer, lasts=100 * HOUR).items():
        assert type(value) is int
        assert value >= offer[name] >= 1
    assert payment_timeout(offer) is None or payment_timeout(offer) == offer[PAYMENT_TIMEOUT]


class Clock:
    now = 1000.0

    def since_boot(self):
        return self.now


def test_who_wants_to_be_paid_more_often_than_agreed_is_refused(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "clock", clock)
    agreed = DebitNoteRate(5 * HOUR)
    assert agreed.objection(payable=True) == ""  # the last one of an activity that ended at once
    assert "more often" in agreed.objection(payable=True)
    hourly, never = DebitNoteRate(5 * HOUR), DebitNoteRate(None)
    for _ in range(10):
        clock.now += 5 * HOUR
        assert hourly.objection(payable=True) == hourly.objection(payable=False) == never.objection(payable=False) == ""
    assert "not agreed" in never.objection(payable=True)


def test_a_flood_is_refused_and_the_fastest_pace_that_is_agreed_is_none(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "clock", clock)
    agreed = DebitNoteRate(None)
    for _ in range(100):
        clock.now += 2
        assert agreed.objection(payable=False) == ""
    flood = DebitNoteRate(None)
    for _ in range(40):
        clock.now += 1
        assert flood.objection(payable=False) == ""
    assert "more than 40 debit notes" in flood.objection(payable=False)


def test_what_was_sent_while_this_computer_slept_is_no_flood_and_a_flood_after_it_is_one(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "clock", clock)
    honest, flood, first = DebitNoteRate(None), DebitNoteRate(None), DebitNoteRate(None)
    assert honest.objection(payable=False) == flood.objection(payable=False) == ""
    clock.now += HOUR
    for _ in range(HOUR // 2):  # at the fastest pace that is agreed
        clock.now += 0.01
        assert honest.objection(payable=False) == first.objection(payable=False) == ""
    clock.now += HOUR
    said = [flood.objection(payable=False) for _ in range(2 * HOUR)]
    assert said[0] == ""
    assert "more than 40 debit notes" in said[-1]
    for _ in range(10):  # a short pause makes up for nothing
        clock.now += 30
        said = [honest.objection(payable=False) for _ in range(300)]
    assert "more than 40 debit notes" in said[-1]
