"""That a save which is older than it should be is told, once, and that it is over."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher.cli.sessions.formatting import session_lines
from golem_launcher.events import Message, NotSaved, Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.saving.save_watchdog import SaveWatchdog
from golem_launcher.session_state import Saving
from golem_launcher.ui.cards.event_digest import EventDigest
from golem_launcher.ui.cards.view_model import session_view

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    made = Recorder(create_session_directory(LaunchRequest(name="late")))
    made.update(stage=Stage.READY)
    yield made
    made.close()


def saving(**fields):
    return Saving(workspace="late", interval=5.0, **fields)


@pytest.mark.parametrize("problem", ["", "The store is full."])
def test_a_late_save_is_told_once_in_every_place_and_that_it_is_over(recorder, monkeypatch, problem):
    async def scene():
        now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        watch, pulse = SaveWatchdog(recorder), EventDigest(recorder._directory, "JupyterLab", recorder.state.created_at)
        pulse.poll()
        recorder.update(saving=saving(saved_at=NOW, generation=1))
        for now in (1.0, 30.0, 50.0):  # noqa: B007 - the clock reads it
            watch.look()
            assert recorder.state.stalled == ""
        recorder.update(saving=saving(saved_at=NOW, generation=1, problem=problem, files=2))
        for now in (52.0, 53.0, 90.0):  # noqa: B007 - the clock reads it
            watch.look()
        told = recorder.state.stalled
        assert told.startswith("Nothing was saved for 51 s: ")
        assert (problem.rstrip(".") or "keeps it waiting") in told
        assert told.rstrip(".") in dict(session_lines(recorder.state, None))["saved"]
        assert session_view(recorder.state, alive=True)["saving"]["problem"] == told
        await recorder.flush()
        assert [alert["what"] for alert in pulse.poll()] == ["stalled"]
        recorder.update(saving=saving(saved_at=NOW + timedelta(seconds=90), generation=2))
        watch.look()
        assert recorder.state.stalled == ""

    asyncio.run(scene())
    asyncio.run(recorder.flush())
    events = recorder._directory.events()[0]
    assert [event.seconds for event in events if isinstance(event, NotSaved)] == [51]
    assert "It is saved again." in [event.text for event in events if isinstance(event, Message)]


def test_slow_saves_have_longer_intervals_and_are_not_late(recorder, monkeypatch):
    async def scene():
        now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        watch = SaveWatchdog(recorder)
        recorder.update(saving=Saving(workspace="late", interval=120.0, saved_at=NOW))
        for now in (1.0, 200.0, 500.0):  # noqa: B007 - the clock reads it
            watch.look()
        assert recorder.state.stalled == ""

    asyncio.run(scene())


def test_who_saves_nothing_hears_nothing(recorder, monkeypatch):
    async def scene():
        now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        watch = SaveWatchdog(recorder)
        now = 1000.0
        watch.look()
        assert recorder.state.stalled == ""

    asyncio.run(scene())
