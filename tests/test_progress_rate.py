"""How far something is, how fast, and how long it takes still."""

from __future__ import annotations

from golem_launcher import progress_rate
from golem_launcher.progress_rate import SoFar, Speed


def test_the_speed_is_that_of_late_and_not_known_at_once(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(progress_rate.time, "monotonic", lambda: now[0])
    of = Speed()
    assert of.at(0) == 0
    now[0] = 1
    assert of.at(10) == 10
    for second in range(2, 30):
        now[0] = second
        last = of.at(10 + 30 * (second - 1))
    assert last == 30
    assert of.at(5) == 0  # it began again


def test_some_bytes_are_told_with_their_rate_and_the_time_that_is_left(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(progress_rate.time, "monotonic", lambda: now[0])
    so_far = SoFar()
    assert so_far.far() == ("", None)
    for second in (1, 2, 3):
        now[0] = second
        so_far.told(second * 2**20, 10 * 2**20)
        words, share = so_far.far()
    assert (words, share) == ("3.0 of 10.0 MiB (30 %), 1.0 MiB/s, 7 s left", 0.3)
