"""What the Lab's pages are told of their session and may ask for: the user decides on what costs or ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest

from golem_launcher import clock
from golem_launcher.events import LabAsks, Stage, Usage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.endpoints.lab_page_service import HOURS, LabPageService
from golem_launcher.session_state import KeptVariables, MachineState, MoveState, Saving, SessionState


@dataclass
class _Recorder:
    """A session's state in memory."""

    state: SessionState
    events: list[object] = field(default_factory=list)

    def told(self) -> SessionState:
        return self.state

    def update(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)

    def event(self, event: object) -> None:
        self.events.append(event)


@pytest.fixture
def recorder() -> _Recorder:
    now = clock.told(clock.now())
    state = SessionState(
        name="first",
        network="local",
        stage=Stage.READY,
        deadline=now + timedelta(hours=1),
        extendable_until=now + timedelta(hours=4),
        budget=Decimal(2),
        cost=Decimal("0.125"),
        saving=Saving(workspace="first", generation=3, saved_at=now - timedelta(seconds=5), files=2, bytes=2000),
        machines=(
            MachineState(
                provider_name="somebody",
                stage=Stage.READY,
                price_per_hour=Decimal("0.3"),
                usage=Usage(cpu_percent=150, memory_bytes=1_000_000_000, disk_bytes=40_000_000),
            ),
        ),
    )
    return _Recorder(state)


@pytest.fixture
def lab_pages(recorder: _Recorder) -> LabPageService:
    return LabPageService(LaunchRequest(name="first", network="local", cpus=2), recorder)  # type: ignore[arg-type]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(clock, "since_boot", lambda: now[0])
    return now


def test_a_page_is_told_time_money_saves_and_the_machine(lab_pages: LabPageService) -> None:
    told = lab_pages.look()
    assert told["left"] == pytest.approx(3600, abs=5)
    assert told["ends"].startswith("its time is over at ")
    assert told["spent"] == "0.125 of 2 tGLM"
    assert told["saved"] == pytest.approx(5, abs=2)
    assert told["files"] == "2 files, 2 KiB"
    assert told["used"] == [
        ("CPU", "150 % of 2 cores"),
        ("Memory", "953.7 MiB of 1.0 GiB"),
        ("Disk", "38.1 MiB of 2.0 GiB"),  # as the launcher's page has it, and not 0.0 of 2.0 GiB
    ]
    assert told["room"].startswith("This provider can be kept until ")
    assert [(choice["cost"], choice["possible"]) for choice in told["extend"]] == [
        ("at most 0.3 tGLM", True),
        ("at most 0.6 tGLM", True),
        ("at most 1.5 tGLM", False),  # the agreement has no room for it
    ]


def test_the_end_that_comes_first_is_told(lab_pages: LabPageService, recorder: _Recorder) -> None:
    recorder.update(money_ends_at=clock.told(clock.now()) + timedelta(minutes=5))
    assert lab_pages.look()["left"] == pytest.approx(300, abs=5)
    assert lab_pages.look()["ends"].startswith("its budget is used up at ")


def test_the_rate_is_that_of_the_last_minutes(
    lab_pages: LabPageService, recorder: _Recorder, time: list[float]
) -> None:
    lab_pages.follow()
    assert lab_pages.look()["rate"] == ""
    time[0] += 36
    recorder.update(cost=Decimal("0.135"))
    lab_pages.follow()
    assert lab_pages.look()["rate"] == "1 tGLM an hour lately"


@pytest.mark.parametrize(
    ("asked", "yes"),
    [
        ({"what": "extend", "hours": 2}, "golem-launcher extend first --hours 2"),
        ({"what": "end"}, "golem-launcher stop first"),
        ({"what": "move"}, "golem-launcher move first"),
        ({"what": "gpu"}, "golem-launcher move first --gpus 1"),
    ],
)
def test_what_costs_or_ends_something_waits_for_the_user(
    lab_pages: LabPageService, recorder: _Recorder, asked: dict[str, object], yes: str
) -> None:
    before = recorder.state
    assert lab_pages.hear(asked).endswith(yes)
    assert recorder.state.asked is not None
    assert recorder.state.model_copy(update={"asked": None}) == before  # nothing else happened
    assert lab_pages.look()["asked"].endswith(yes)
    lab_pages.declined()
    assert recorder.state.asked is None
    assert lab_pages.look()["asked"] == ""
    assert lab_pages.look()["answer"] == "You said no."


def test_a_page_is_told_before_it_is_stopped_for_want_of_use_and_may_keep_it(
    lab_pages: LabPageService, recorder: _Recorder
) -> None:
    recorder.update(idle="Nothing has happened, but it is not stopped.")
    assert lab_pages.look()["idle"] == ""
    recorder.update(idle="Nothing has happened.", idle_ends_at=clock.told(clock.now()))
    assert lab_pages.look()["idle"] == "Nothing has happened."
    assert lab_pages.hear({"what": "keep-running"}) == "It goes on."
    assert lab_pages.keep_running_wanted.is_set()


def test_a_page_can_not_keep_asking(lab_pages: LabPageService, recorder: _Recorder, time: list[float]) -> None:
    lab_pages.hear({"what": "end"})
    for hours in HOURS:
        lab_pages.hear({"what": "extend", "hours": hours})
    assert [event.what for event in recorder.events if isinstance(event, LabAsks)] == ["end"]
    lab_pages.declined()
    time[0] += 20
    assert lab_pages.hear({"what": "gpu"}) == "You said no a moment ago; ask again in 40 s."
    time[0] += 10
    assert recorder.state.asked is None
    time[0] += 31
    lab_pages.hear({"what": "extend", "hours": 1})
    assert recorder.state.asked is not None
    time[0] += 601
    lab_pages.follow()
    assert recorder.state.asked is None  # it waited for too long


def test_what_its_user_is_about_to_answer_is_not_replaced(
    lab_pages: LabPageService, recorder: _Recorder, time: list[float]
) -> None:
    lab_pages.hear({"what": "move"})
    time[0] += 61
    assert lab_pages.hear({"what": "gpu"}).endswith("golem-launcher move first")
    assert recorder.events == [recorder.state.asked]


def test_what_becomes_of_what_was_asked_for_is_told_and_forgotten(
    lab_pages: LabPageService, recorder: _Recorder, time: list[float]
) -> None:
    lab_pages.hear({"what": "gpu"})
    lab_pages.agreed("extend")  # by a command: nobody asked for that
    assert recorder.state.asked is not None
    lab_pages.agreed("move", "gpu")
    assert lab_pages.look()["answer"] == "You said yes."
    time[0] += 61
    lab_pages.follow()
    assert lab_pages.look()["answer"] == ""


def test_a_move_is_told_from_its_begin_to_a_while_after_its_end(lab_pages: LabPageService, recorder: _Recorder) -> None:
    def told(stage: str, **more: object) -> str:
        recorder.update(move=MoveState(stage=stage, provider_name="large", agreement_id="two", **more))
        return str(lab_pages.look()["doing"])

    assert lab_pages.look()["doing"] == ""
    at_once = "At once: interrupt them, or press Move now on the launcher's page."
    assert told("waiting") == f"large is ready, and takes over as soon as no cell runs. {at_once}"
    recorder.update(stage=Stage.RECOVERING, reason="Whatever.")
    assert told("switching") == "The session goes over to large."
    now = clock.told(clock.now())
    recorder.update(stage=Stage.READY, machines=(MachineState(agreement_id="two"),))
    assert told("done", over_at=now) == "Now at large."
    recorder.update(variables=(KeptVariables(notebook="a.ipynb"),))
    assert told("done", over_at=now) == "Now at large; variables come back with your next cell."
    assert told("done", over_at=now - timedelta(minutes=6)) == ""
    assert told("failed", reason="No offer fits.", over_at=now).endswith("goes on where it is: No offer fits.")
    recorder.update(machines=(MachineState(agreement_id="three"),))
    assert told("done", over_at=now) == ""  # that one was lost since


def test_a_loss_is_told_in_its_own_words(lab_pages: LabPageService, recorder: _Recorder) -> None:
    recorder.update(stage=Stage.RECOVERING, reason="somebody was lost. Looking for another provider.")
    assert lab_pages.look()["doing"] == "somebody was lost. Looking for another provider."


def test_a_save_is_asked_for_now_and_then_only(lab_pages: LabPageService, time: list[float]) -> None:
    assert lab_pages.hear({"what": "save"}) == "Saving."
    assert lab_pages.save_wanted.is_set()
    lab_pages.save_wanted.clear()
    time[0] += 5
    assert lab_pages.hear({"what": "save"}) == "Saving."
    assert not lab_pages.save_wanted.is_set()
    time[0] += 5
    lab_pages.hear({"what": "save"})
    assert lab_pages.save_wanted.is_set()


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "end",
        {"what": []},
        {"what": "spend"},
        *({"what": "extend", "hours": hours} for hours in (None, -1, 1e9, 10**40, [1])),
    ],
)
def test_nothing_else_can_be_asked_for(lab_pages: LabPageService, recorder: _Recorder, asked: object) -> None:
    before = recorder.state
    assert lab_pages.hear(asked) == "There is no such thing to ask for."
    assert recorder.state == before


def test_a_session_that_ends_is_asked_for_nothing(lab_pages: LabPageService, recorder: _Recorder) -> None:
    recorder.update(stage=Stage.SAVING)
    assert lab_pages.hear({"what": "end"}) == "The session is not running."
    assert recorder.state.asked is None
