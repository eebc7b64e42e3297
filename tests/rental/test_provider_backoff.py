"""How providers stand with a session, by a clock of the test's own."""

import pytest

from golem_launcher.rental import provider_backoff as backoff
from golem_launcher.rental.provider_backoff import ProviderBackoff


class Clock:
    now = 500.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    return clock


def test_who_was_lost_comes_back_after_a_pause_that_grows(clock):
    backoff = ProviderBackoff()
    for pause in (10, 20, 40):
        backoff.lost("a", "a: vanished")
        assert backoff.returning() == {"a": pause}
        clock.now += pause - 1
        assert backoff.pauses("a")
        assert backoff.away() == set()
        clock.now += 1
        assert not backoff.pauses("a")
        assert backoff.comes_last("a")
        assert backoff.returning() == {}


def test_who_does_not_sign_is_asked_twice_more_within_seconds(clock):
    """No capacity: its last agreement ended two seconds ago."""
    backoff = ProviderBackoff()
    assert [backoff.did_not_sign("a", "a: no") for _ in range(2)] == [False, False]
    assert backoff.returning() == {"a": 6}
    assert backoff.did_not_sign("a", "a: no")
    assert backoff.away() == {"a"}
    clock.now += 299
    assert backoff.pauses("a")


def test_who_billed_too_much_is_out_for_good(clock):
    backoff = ProviderBackoff()
    backoff.lost("a", "a: vanished")
    backoff.ban("a", "a: 50 times too much")
    clock.now += 10**6
    assert backoff.is_banned("a")
    assert backoff.away() == {"a"}
    assert backoff.returning() == {}
    assert backoff.reasons == {"a": "a: 50 times too much"}
