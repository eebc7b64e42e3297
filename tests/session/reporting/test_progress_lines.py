"""What a terminal is told while a session gets ready."""

import pytest

from golem_launcher.events import Progress, Stage
from golem_launcher.session.reporting import progress_lines
from golem_launcher.session.reporting.progress_lines import ProgressLines, meanwhile
from golem_launcher.session_state import MoveState, SessionState


def test_what_gets_on_is_told_and_what_does_not_is_told_seldom_with_its_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: now[0])
    told, lines = ProgressLines(), []
    state = SessionState(name="a", network="local", stage=Stage.STARTING)
    for second in range(20):
        now[0] = float(second)
        detail = "fetching numpy" if second < 4 else "unpacking 6 packages"
        progress = Progress(what="Installing packages", done=0, total=0, detail=detail)
        lines += told.lines(state.model_copy(update={"progress": progress}))
    assert lines == [
        "a: starting …",
        "a: Installing packages: fetching numpy",
        "a: Installing packages: unpacking 6 packages",
        "a: Installing packages: unpacking 6 packages … 7 s",
    ]


_FAR = Progress(what="new data", done=1, total=4, unit="parts")


@pytest.mark.parametrize(
    ("state", "words", "share"),
    [
        ({}, "", None),
        ({"progress": _FAR}, "new data: 1 of 4 parts (25 %)", 0.25),
        ({"stage": Stage.SAVING}, "What is there is saved a last time", None),
        (
            {"move": MoveState(provider_name="ben", stage="preparing", progress=_FAR)},
            "ben is made ready, to go on there; all goes on here meanwhile. new data: 1 of 4 parts (25 %).",
            0.25,
        ),
        ({"move": MoveState(stage="done"), "progress": _FAR}, "new data: 1 of 4 parts (25 %)", 0.25),
    ],
)
def test_who_waits_for_something_of_a_session_is_told_what_it_does(state, words, share):
    told = SessionState(**{"name": "a", "network": "local", "stage": Stage.READY, **state})
    assert meanwhile(told) == (words, share)
