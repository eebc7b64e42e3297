"""A session that was to end and has something at stake: for how long it goes on, and what ends it before."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from golem_launcher import paths
from golem_launcher.events import STOPPED, Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.supervision.last_save import Unsaved, not_ended_words, patience
from golem_launcher.session.supervision.supervisor import Supervisor
from tests.patience import slower

BIG = Unsaved("big.bin is not saved.", patience=600.0)
OVER = "The time that was asked for is over."


class Work:
    """A session at work, of which something can't be saved; ``put_off`` is called each time its end is put off."""

    hurry = ending = all_saved = False

    def __init__(self, put_off):
        self.over = asyncio.Event()
        self.left = []
        self.last = BIG
        self._put_off = put_off

    async def work(self):
        await self.over.wait()
        return OVER

    async def save_last(self, _seconds):
        return self.last

    def put_off_end(self, words, seconds):
        assert words == BIG.words
        self.left.append(seconds)
        self._put_off(self)


@pytest.fixture
def end(tmp_path, monkeypatch):
    """Ends a session that has something at stake: how it ended and why, and how often that was put off before."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="mine"))
    lock = os.open(directory.lock, os.O_RDWR | os.O_CREAT)

    def run(put_off, last=BIG):
        async def scene():
            supervisor = Supervisor(directory, lock)
            work = supervisor._run = Work(lambda work: put_off(supervisor, work))
            work.last = last
            supervisor._stop.set()
            return *await asyncio.wait_for(supervisor._to_the_end(), 60 * slower()), work.left

        return asyncio.run(scene())

    yield run
    os.close(lock)


def test_when_the_grace_is_over_it_ends_all_the_same(end):
    stage, reason, left = end(lambda *_: None, Unsaved(BIG.words, patience=0.1))
    assert (stage, reason) == (Stage.ENDED, f"{STOPPED} {BIG.words}")
    assert len(left) == 1  # and it is not put off again


@pytest.mark.parametrize("last", [BIG, Unsaved()])
def test_its_own_terms_are_over_before(end, last):
    """Time, or money: nobody waits for the grace."""

    def over(_supervisor, work):
        work.last = last
        work.over.set()

    stage, reason, left = end(over)
    assert (stage, reason) == (Stage.ENDED, f"{OVER} {last.words}".strip())
    assert len(left) == 1


def test_who_asks_again_gets_no_more_grace_and_what_is_saved_then_ends_it(end):
    def again(supervisor, work):
        supervisor._stop.set()
        work.last = BIG if len(work.left) < 3 else Unsaved()

    stage, reason, left = end(again)
    assert (stage, reason) == (Stage.ENDED, STOPPED)
    assert 600 >= left[0] > left[1] > left[2] > 500


def test_it_ends_as_soon_as_all_is_saved(end):
    def saved(_supervisor, work):
        work.all_saved, work.last = True, Unsaved()

    assert end(saved)[:2] == (Stage.ENDED, STOPPED)


@pytest.mark.parametrize(("price", "seconds"), [(None, 600), ("0.1", 600), ("0.45", 400), ("20", 120)])
def test_an_end_is_put_off_for_a_twentieth_of_the_budget_at_most(price, seconds):
    """That something can't be saved may be a lie of the provider's, who is paid for each minute of it."""
    assert patience(Decimal(1), price and Decimal(price)) == seconds


@pytest.mark.parametrize(
    ("time", "money", "minute", "why"),
    [
        (60, None, 10, "even if something is not saved then"),
        (60, 30, 10, "even if something is not saved then"),
        (5, 30, 5, "when its time is over"),
        (60, 3, 3, "when its money is over"),
    ],
)
def test_until_when_it_is_kept_and_what_is_at_stake_is_said_before(time, money, minute, why):
    begun = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def at(minutes):
        return begun + timedelta(minutes=minutes)

    words = not_ended_words("mine", BIG.words, at(10), at(time), None if money is None else at(money))
    until = f"{at(minute).astimezone():%H:%M %Z}"
    assert words.startswith(f"Not ended: {BIG.words} It goes on until {until} and ends then, {why}")
    assert words.endswith("golem-launcher stop mine --force")
