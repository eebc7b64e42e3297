"""The time of day is set under a session that runs: it goes by the time that really passes, and says what it does."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from golem_launcher.events import Stage
from golem_launcher.session.on_disk.directory import session_directory
from tests.clock.conftest import TimeOfDay
from tests.patience import slower
from tests.session.conftest import command, explain, wait_for
from tests.session.jupyter import Jupyter

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("network")]

HOUR, YEAR = 3600, 365 * 86400
ASKED = ("--mem", "0.5", "--disk", "0.5")


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def reads(directory, seconds=180):
    """What is in the file, once the session is where it stays: its provider may be lost a moment after the clock."""
    end = time.monotonic() + seconds * slower()
    while True:
        state = wait_for(directory, lambda state: state.stage is Stage.READY or state.stage.final, seconds)
        assert state.stage is Stage.READY, explain(directory)
        try:
            return run(directory, "print(open('work.txt').read())").strip()
        except (AssertionError, OSError, aiohttp.ClientError):
            assert time.monotonic() < end, explain(directory)


def save(directory, seconds=120):
    """Save, once the session is where it stays."""
    end = time.monotonic() + seconds * slower()
    while True:
        state = wait_for(directory, lambda state: state.stage is Stage.READY or state.stage.final, seconds)
        assert state.stage is Stage.READY, explain(directory)
        code, _, error = command("save", directory.name, check=False)
        if code == 0:
            return
        assert time.monotonic() < end, error


def told(directory):
    return [event.line for event in directory.events()[0] if event.kind == "message" and "clock of this" in event.line]


def test_a_session_lives_on(time_of_day):
    """By as much as a laptop that slept, by a year, and back; yagna gives its activities up where it is much."""
    begun = time.monotonic()
    command("start", "--name", "mine", *ASKED, "--wait")
    directory = session_directory("mine")
    ready = time.monotonic()
    deadline = datetime.now(UTC) + timedelta(hours=1)
    run(directory, "open('work.txt', 'w').write('kept')")
    save(directory)
    for count, forth in enumerate((2 * HOUR, YEAR, -HOUR), 1):
        time_of_day.set_forth(forth)
        wait_for(directory, lambda state, count=count: len(told(directory)) == count or state.stage.final, 120)
        assert reads(directory) == "kept"
        state = directory.state()
        ends = deadline + timedelta(seconds=forth)
        assert abs((state.deadline - ends).total_seconds()) < 120  # as this computer's clock has it now
        _, bill, _ = command("bill", "mine", "--json")
        since_start, since_ready = time.monotonic() - begun, time.monotonic() - ready
        assert since_ready - 30 * slower() < bill["ran_seconds"] < since_start
        # the newest provider may not have told of any yet
        used = [agreement["usage"].get("golem.usage.duration_sec", 0) for agreement in bill["agreements"]]
        assert 0 < sum(used) < since_start
        save(directory)
    _, value, _ = command("stop", "mine", "--json")
    assert value["stage"] == "ended", explain(directory)
    time_of_day.set_forth(0)


def test_a_session_starts_after_the_clock_was_set(time_of_day):
    """What an offer asks of a demand names the time: set back by a year, no demand would end late enough for it."""
    for count, forth in enumerate((YEAR, -HOUR, 0)):
        time_of_day.set_forth(forth)
        command("start", "--name", f"after-{count}", *ASKED, "--wait")
        command("stop", f"after-{count}")


def test_an_allocation_that_would_end_in_the_past_names_the_clock(library, tmp_path, monkeypatch):
    """The node has another time than who asks it, in another container say."""
    slow = TimeOfDay(library, tmp_path / "slow")
    slow.set_forth(-48 * HOUR)
    for name, value in slow.environment.items():
        monkeypatch.setenv(name, value)
    code, _, error = command("start", "--name", "past", *ASKED, "--wait", check=False)
    assert code == 1
    assert "clock" in error, explain(session_directory("past"))
    assert "wallet" not in error


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_the_page_is_served_whatever_the_time_of_day(time_of_day):
    argv = [sys.executable, "-m", "golem_launcher.cli", "page", "--no-browser", "--json", f"--port={free_port()}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            address = json.loads("{" + next(line for line in server.stdout if '"url"' in line) + "}")["url"]
            for forth in (0, YEAR, -HOUR):
                time_of_day.set_forth(forth)
                with urllib.request.urlopen(address, timeout=60 * slower()) as page:
                    assert b"kernelId" in page.read()
        finally:
            time_of_day.set_forth(0)
            server.terminate()
