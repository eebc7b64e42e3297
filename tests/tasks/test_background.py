"""A job as the page follows, stops and goes on with it: on the real daemons, by what lies on disk."""

import time

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.tasks import background, record
from golem_launcher.tasks.progress import Follower
from tests.patience import slower
from tests.tasks.conftest import outcome

pytestmark = pytest.mark.slow


def wait_until(true, seconds=90):
    end = time.monotonic() + seconds * slower()
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_who_is_at_what_is_on_disk_and_what_was_stopped_goes_on_by_itself(job):
    process = job(
        "--map", "0:6", "--workers", "2", "--output", "out", "--", "sh", "-c", "sleep 2; echo {item} > made",
        name="watched",
    )  # fmt: skip
    wait_until((record.jobs_directory() / "watched" / "job.json").exists)
    directory = record.find("watched")
    follower = Follower(directory)

    def two_run():
        follower.poll()
        return len(follower.tally.running) == 2

    wait_until(two_run)
    assert {follower.tally.providers[one].name for one in follower.tally.running.values()} < {
        "honest-1", "honest-2", "honest-3", "honest-4", "by-time-1", "by-time-2"
    }  # fmt: skip
    assert time.time() - 60 < follower.tally.first_given <= time.time()
    directory.ask_to_stop()
    told = outcome(process, code=1)
    assert told["reason"] == "It was stopped from the page."
    assert 2 <= told["done"] < 6, "what ran was waited for"

    background.begin(directory, "run")
    assert directory.busy
    wait_until(lambda: not directory.busy)
    follower.poll()
    assert len(follower.tally.done) == 6
    assert follower.tally.fresh == 6 - told["done"], "what was done is not done again"
    background.begin(directory, "run")  # all is done: nothing is begun, and nothing wrong
    with pytest.raises(SessionError, match="no sweep"):
        background.begin(directory, "sweep")
