from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal

from golem_launcher.events import Stage, now
from golem_launcher.session_state import ClusterState, MachineState, Saving, StandbyState
from golem_launcher.ui.cards.view_model import SessionViews
from tests.ui.made import GOOD_START, change, make_session

OVER = (*GOOD_START, Stage.STOPPING, Stage.ENDED)


def test_running_sessions_come_first_and_past_ones_after() -> None:
    make_session("running")
    make_session("over", OVER, alive=False)
    views, directories = SessionViews().read()
    assert [view["name"] for view in views] == ["running", "over"]
    assert set(directories) == {"running", "over"}
    assert (views[0]["live"], views[0]["alive"]) == (True, True)


def test_the_stages_of_a_start_with_those_ahead() -> None:
    make_session("mine", GOOD_START[:3])
    steps = SessionViews().read()[0][0]["steps"]
    assert [step["status"] for step in steps] == ["done", "done", "current", "ahead", "ahead", "ahead"]
    assert steps[0]["until"] == steps[1]["at"]


def test_the_stage_that_failed_is_marked_and_nothing_is_ahead() -> None:
    make_session("mine", (*GOOD_START[:3], Stage.FAILED), alive=False, reason="No\x1b[2J offer.")
    view = SessionViews().read()[0][0]
    assert [(step["stage"], step["status"]) for step in view["steps"]][-1] == ("negotiating", "failed")
    assert view["reason"] == "No offer."


def test_the_stage_that_failed_is_the_one_before_the_session_was_closed_down() -> None:
    make_session("mine", (Stage.CHECKING, Stage.STOPPING, Stage.FAILED), alive=False)
    steps = SessionViews().read()[0][0]["steps"]
    assert [(step["stage"], step["status"]) for step in steps] == [("checking", "failed")]


def test_tries_one_after_the_other_are_one_step() -> None:
    make_session("mine", (*GOOD_START, *[Stage.RECOVERING] * 4))
    steps = SessionViews().read()[0][0]["steps"]
    assert [(step["stage"], step["tries"]) for step in steps[-2:]] == [("ready", 1), ("recovering", 4)]
    assert steps[-1]["at"] == steps[-2]["until"]


def test_who_saved_in_a_past_sessions_workspace_since_is_told_of_it() -> None:
    at = now()
    for name, workspace, minutes in (
        ("mine", "mine", 0),
        ("mine-2", "mine", 5),
        ("mine-3", "mine", 9),
        ("other", "other", 7),
    ):
        saving = Saving(workspace=workspace, generation=1, saved_at=at + timedelta(minutes=minutes))
        make_session(name, OVER, alive=False, saving=saving)
    make_session("unsaved", OVER, alive=False, saving=Saving(workspace="mine"))
    newer = {view["name"]: view["newer"] for view in SessionViews().read()[0]}
    last = newer["mine"]
    assert last is not None
    assert last["by"] == "mine-3"
    assert newer == {"mine": last, "mine-2": last, "mine-3": None, "other": None, "unsaved": None}


def test_a_session_without_supervisor_is_not_alive() -> None:
    make_session("mine", alive=False)
    view = SessionViews().read()[0][0]
    assert (view["live"], view["alive"]) == (True, False)


def test_an_unreadable_session_is_shown_as_such_and_harms_no_other() -> None:
    make_session("good")
    (make_session("bad").path / "state.json").write_bytes(b"{")
    views = {view["name"]: view for view in SessionViews().read()[0]}
    assert "state.json is damaged" in views["bad"]["trouble"]
    assert views["bad"]["stage"] == "ready"  # as its events tell
    assert views["good"]["stage"] == "ready"


def test_a_cost_whose_invoice_is_late_is_marked_as_the_most_that_it_may_be() -> None:
    directory = make_session("mine", OVER, alive=False, owed_at_most=True)
    views = SessionViews()
    assert views.read()[0][0]["at_most"] is True
    change(directory, owed_at_most=False)
    assert views.read()[0][0]["at_most"] is False


def test_changes_show_and_removed_sessions_go() -> None:
    directory = make_session("mine")
    views = SessionViews()
    views.read()
    change(directory, stage=Stage.ENDED)
    assert views.read()[0][0]["stage"] == "ended"
    shutil.rmtree(directory.path)
    assert views.read() == ([], {})


def test_of_several_machines_each_is_shown_and_what_providers_say_is_cleaned() -> None:
    second = MachineState(
        number=2, stage=Stage.DEPLOYING, provider_name="b\x1b[2J", ip="10.1.2.4", lost=1, trouble="x\n"
    )
    directory = make_session("mine", machines=(MachineState(provider_name="a", stage=Stage.READY), second))
    (view,), _ = SessionViews().read()
    assert view["provider"] == "a"
    first, other = view["machines"]
    assert (first["number"], first["provider"], first["stage"]) == (1, "a", "ready")
    assert (other["number"], other["stage"], other["ip"], other["lost"]) == (2, "deploying", "10.1.2.4", 1)
    assert "\x1b" not in other["provider"]
    change(directory, machines=(MachineState(provider_name="a"),))
    assert SessionViews().read()[0][0]["machines"] == []  # one needs no list


def test_no_view_holds_the_token() -> None:
    make_session("mine")
    assert "abcdefgh12345678" not in str(SessionViews().read())


def test_a_standby_is_told_with_its_price_and_what_it_has() -> None:
    make_session("none")
    at, saving = now(), Saving(workspace="mine", generation=3, saved_at=now())
    newcomer = {"provider_name": "ben\x1b[2J", "price_per_hour": Decimal("0.5")}
    make_session("mine", saving=saving, standby=StandbyState(stage="ready", generation=2, saved_at=at, **newcomer))
    make_session("other", saving=saving, standby=StandbyState(reason="Nobody fits."))
    views = {view["name"]: view["standby"] for view in SessionViews().read()[0]}
    assert views["none"] is None
    assert (views["mine"]["has"], views["mine"]["price"]) == (at.isoformat(), "0.5")
    assert "\x1b" not in views["mine"]["provider"] + views["mine"]["words"]
    assert views["other"]["has"] is None
    assert views["other"]["words"] == "Standby: none at present. Nobody fits."


def test_a_notebook_that_asks_for_more_workers_than_it_may_is_told_with_the_command_that_allows_them() -> None:
    make_session("mine", cluster=ClusterState(workers=2, most=2, asked=2))
    assert SessionViews().read()[0][0]["notices"] == []
    make_session("other", cluster=ClusterState(workers=2, most=2, asked=1000))
    views, _ = SessionViews().read()
    (notice,) = next(view["notices"] for view in views if view["name"] == "other")
    assert "asks for 1,000 Dask workers" in notice
    assert "golem-launcher cluster other scale 15" in notice


def test_machines_that_a_cluster_let_go_of_are_not_shown_while_it_runs() -> None:
    machines = tuple(
        MachineState(number=one, stage=stage) for one, stage in enumerate((Stage.READY, Stage.ENDED, Stage.READY), 1)
    )
    make_session("mine", machines=machines)
    assert [one["number"] for one in SessionViews().read()[0][0]["machines"]] == [1, 3]
