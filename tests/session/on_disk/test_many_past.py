"""A thousand sessions that are over cost no more than ten: what a list, the page and a Tab read is counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pytest

from golem_launcher import paths
from golem_launcher.cli.sessions.session_table import print_sessions
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.cleanup import housekeeping
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.directory import create_session_directory, session_directory
from golem_launcher.session.on_disk.session_paths import Lookout, SessionPaths, session_paths
from golem_launcher.session.on_disk.session_summary import OVER, STAGES, SessionSummary, summary
from golem_launcher.session_state import MachineState, MoveState, Saving, SessionState
from golem_launcher.ui.cards.view_model import PAST_AT_MOST, SessionViews

if TYPE_CHECKING:
    from pathlib import Path

_COUNTED = """
import sys
opened = []
def look(event, given):
    if event == "open" and str(given[0]).startswith({home!r}):
        opened.append(given[0])
sys.addaudithook(look)
{code}
print(len(opened), file=sys.stderr)
"""
_LIST = """
import contextlib
sys.argv[1:] = ["list"]
from golem_launcher.cli.entry import main
with contextlib.suppress(SystemExit):
    main()
"""
_TAB = "from golem_launcher.cli.options.completion import session_names; assert len(session_names('')) >= {count}"
_PAGE = """
from golem_launcher.ui.cards.view_model import SessionViews
views = SessionViews()
views.read()
opened.clear()
views.read()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def make_past(count: int) -> None:
    """So many, the first the oldest, each at another provider."""
    began = datetime.now(UTC) - timedelta(days=30)
    state = SessionState(name="NAME", network="local", stage=Stage.ENDED, machines=(MachineState(provider_name="p"),))
    texts = {
        "state.json": state.model_dump_json(indent=1),
        "request.json": LaunchRequest(name="x").model_dump_json(indent=1),
        "supervisor.json": "{}",
    }
    for number in range(count):
        directory = paths.sessions_directory() / f"past-{number}"
        directory.mkdir()
        for name, text in texts.items():
            (directory / name).write_text(text.replace('"NAME"', f'"past-{number}"').replace('"p"', f'"p-{number}"'))
        at = (began + timedelta(minutes=number)).timestamp()
        os.utime(directory / "request.json", (at, at))


def opened(home: Path, code: str) -> tuple[int, str]:
    """How many files of the launcher's directory some code opens, and what it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", _COUNTED.format(home=str(home), code=code)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stderr.splitlines()[-1]), ran.stdout


@pytest.mark.slow
def test_what_a_list_a_tab_and_the_page_read_does_not_grow_with_what_is_over(home: Path) -> None:
    codes = (_LIST, _TAB.format(count=60), _PAGE)
    make_past(60)
    housekeeping.tidy()
    few = [opened(home, code)[0] for code in codes]
    shutil.rmtree(paths.sessions_directory())
    make_past(250)
    housekeeping.tidy()
    assert [opened(home, code)[0] for code in codes] == few
    assert max(few) <= 4 * PAST_AT_MOST + 20


@pytest.mark.slow
def test_the_list_has_the_newest_of_what_is_over_and_all_that_is_not(home: Path) -> None:
    make_past(50)
    housekeeping.tidy()
    create_session_directory(LaunchRequest(name="begun"))
    at = (datetime.now(UTC) - timedelta(days=90)).timestamp()
    os.utime(session_directory("begun").path / "request.json", (at, at))
    later = datetime.now(UTC) + timedelta(hours=1)
    Journal.create(session_directory("begun").path).update(allocation_timeout=later)
    _, said = opened(home, _LIST)
    lines = said.splitlines()
    assert len(lines) == 1 + 20 + 1 + 1
    assert lines[1].startswith("past-49 ")
    assert lines[-2].startswith("begun ")
    assert lines[-1] == "30 more are over: golem-launcher list --all"
    for words, count in ((["list", "--json"], 21), (["list", "--json", "--all"], 51)):
        ran = subprocess.run([sys.executable, "-m", "golem_launcher.cli", *words], capture_output=True, check=True)
        assert len(json.loads(ran.stdout)) == count


@pytest.mark.slow
def test_a_suspended_session_is_there_however_old() -> None:
    sleeps = create_session_directory(LaunchRequest(name="sleeps"))
    sleeps.write_state(sleeps.state().model_copy(update={"stage": Stage.SUSPENDED}))
    long_ago = (datetime.now(UTC) - timedelta(days=90)).timestamp()
    for file in sleeps.path.iterdir():
        os.utime(file, (long_ago, long_ago))
    make_past(PAST_AT_MOST + 10)
    housekeeping.tidy()
    ran = subprocess.run([sys.executable, "-m", "golem_launcher.cli", "list"], capture_output=True, check=True)
    assert b"\nsleeps " in ran.stdout
    assert "sleeps" in [view["name"] for view in SessionViews().read()[0]]


def test_the_page_has_the_newest_and_what_is_looked_for_among_all_others() -> None:
    make_past(PAST_AT_MOST + 10)
    housekeeping.tidy()
    views = SessionViews()
    shown, directories = views.read()
    assert [view["name"] for view in shown] == [f"past-{number}" for number in range(59, 9, -1)]
    assert len(directories) == views.past_count == PAST_AT_MOST + 10
    views.find(" P-3\n")
    assert [view["name"] for view in views.read()[0]][PAST_AT_MOST:] == ["past-3"]
    assert (views.looked_for, views.past_count) == (" P-3\n", PAST_AT_MOST + 10)
    views.find("nothing like it")
    assert len(views.read()[0]) == PAST_AT_MOST
    views.find("")
    assert len(views.read()[0]) == PAST_AT_MOST


def test_a_session_is_settled_once_nothing_is_left_to_be_done() -> None:
    directory = create_session_directory(LaunchRequest(name="a"))
    journal = Journal.create(directory.path)
    journal.update(allocation_timeout=datetime.now(UTC) + timedelta(hours=1))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
    housekeeping.tidy()
    assert not directory.is_settled, "it still owes something"
    journal.update(closed=True)
    housekeeping.tidy()
    assert directory.is_settled
    client.remove("a")
    assert create_session_directory(LaunchRequest(name="a")).is_settled is False, "the mark is the other one's"


def test_an_address_that_is_long_over_is_forgotten() -> None:
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
    parked_address.park(directory.path, parked_address.ParkedAddress("http://127.0.0.9:1", "It is over.", 1.0))
    above = paths.sessions_directory()
    assert list(parked_address.everywhere(above)) == []
    assert parked_address.has_left_word(directory.path), "its supervisor may still be there"
    housekeeping.tidy()
    assert list(parked_address.everywhere(above)) == []
    assert not parked_address.has_left_word(directory.path)


def test_who_looks_again_and_again_sees_what_comes_and_goes() -> None:
    lookout = Lookout()
    assert lookout.look() == []
    create_session_directory(LaunchRequest(name="a"))
    half = paths.sessions_directory() / "half"
    half.mkdir()  # another one is just being made
    assert [path.name for path in lookout.look()] == ["a"]
    long_ago = 1_600_000_000
    os.utime(paths.sessions_directory(), (long_ago, long_ago))
    assert [path.name for path in lookout.look()] == ["a"]
    (half / "state.json").write_text("{}")
    os.utime(paths.sessions_directory(), (long_ago, long_ago))
    assert {path.name for path in lookout.look()} == {"a", "half"}
    found = lookout.look()
    assert lookout.look() is found, "nothing is looked at again"
    half.rename(paths.home() / "half")
    assert [path.name for path in lookout.look()] == ["a"]


def test_a_glance_sees_what_the_models_say() -> None:
    assert frozenset(Stage) == STAGES
    assert {stage for stage in Stage if stage.final} == OVER
    saving = Saving(workspace="other", generation=3)
    machines = (MachineState(provider_name="p", stage=Stage.READY), MachineState(number=2, stage=Stage.ENDED))
    for stage in Stage:
        create_session_directory(LaunchRequest(name=stage.value))
        directory = session_directory(stage.value)
        more = {"stage": stage, "machines": machines, "saving": saving, "deadline": datetime.now(UTC), "cost": "0.5"}
        directory.write_state(SessionState.model_validate({**directory.state().model_dump(), **more}))
        seen = summary(SessionPaths(directory.path))
        assert seen == SessionSummary.of(client.describe(directory))
        assert seen.machines == len(directory.state().machines_in_use)
        assert not seen.is_damaged
    assert len(session_paths()) == len(Stage)


def test_a_list_says_that_a_session_is_about_to_go_on_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    create_session_directory(LaunchRequest(name="a"))
    directory = session_directory("a")
    for stage in get_args(MoveState.model_fields["stage"].annotation):
        move = MoveState(stage=stage)
        directory.write_state(directory.state().model_copy(update={"stage": Stage.READY, "move": move}))
        print_sessions([summary(SessionPaths(directory.path))])
        assert ("ready (moving)" in capsys.readouterr().out) is not move.over
