"""How providers stand with a session, by a clock of the test's own."""

import pytest

from golem_launcher.rental import standing
from golem_launcher.rental.standing import Standing


class Clock:
    now = 500.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(standing, "time", clock)
    return clock


def test_who_was_lost_comes_back_after_a_pause_that_grows(clock):
    standing = Standing()
    for pause in (10, 20, 40):
        standing.lost("a", "a: vanished")
        assert standing.returning() == {"a": pause}
        clock.now += pause - 1
        assert standing.pauses("a")
        assert standing.away() == set()
        clock.now += 1
        assert not standing.pauses("a")
        assert standing.comes_last("a")
        assert standing.returning() == {}


def test_who_does_not_sign_is_asked_twice_more_within_seconds(clock):
    """No capacity: its last agreement ended two seconds ago."""
    standing = Standing()
    assert [standing.did_not_sign("a", "a: no") for _ in range(2)] == [False, False]
    assert standing.returning() == {"a": 6}
    assert standing.did_not_sign("a", "a: no")
    assert standing.away() == {"a"}
    clock.now += 299
    assert standing.pauses("a")


def test_who_billed_too_much_is_out_for_good(clock):
    standing = Standing()
    standing.lost("a", "a: vanished")
    standing.bar("a", "a: 50 times too much")
    clock.now += 10**6
    assert standing.is_barred("a")
    assert standing.away() == {"a"}
    assert standing.returning() == {}
    assert standing.reasons == {"a": "a: 50 times too much"}
