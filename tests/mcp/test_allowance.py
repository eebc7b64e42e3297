"""Whose sessions are an assistant's, whatever became of the server that began one."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from golem_launcher import paths
from golem_launcher.errors import SessionError, SessionNameTaken, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.mcp import allowance as module
from golem_launcher.mcp.allowance import Allowance, Caps
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import deleted_bills, trash
from golem_launcher.session.on_disk.directory import create_session_directory

CAPS = Caps(Decimal(3), 5, Decimal(1))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("later", "theirs"), [(-60, False), (60, True)])
def test_a_server_that_was_killed_while_it_began_a_session_has_that_one_and_none_of_the_users(home, later, theirs):
    asked = datetime.now(UTC) - timedelta(seconds=later)
    create_session_directory(LaunchRequest(name="mine"))
    (home / "mcp").mkdir(mode=0o700)
    entry = {"name": "mine", "created_at": "", "budget": "1", "asked_at": asked.isoformat()}
    (home / "mcp" / "local.json").write_text(json.dumps([entry]))
    allowance = Allowance("local", CAPS)
    if theirs:
        assert allowance.session("mine").name == "mine"
    else:
        with pytest.raises(SessionNotFound):
            allowance.session("mine")


def test_a_session_whose_start_failed_half_way_counts_while_it_lives(home, monkeypatch):
    def half_way(request):
        create_session_directory(request)
        raise SessionError("The disk is full.")

    monkeypatch.setattr(module.client, "start", half_way)
    for living, reserved in ((True, Decimal(1)), (False, Decimal(0))):
        monkeypatch.setattr(module, "alive", lambda _, living=living: living)
        with pytest.raises(SessionError):
            Allowance("local", CAPS).start(LaunchRequest(name=f"half-{living}".lower()))
        if living:
            assert Allowance("local", CAPS).account().reserved == reserved
    assert [one["name"] for one in json.loads((home / "mcp" / "local.json").read_text())] == ["half-true"]


def test_a_session_that_is_not_closed_down_keeps_its_budget_set_aside(home):
    del home
    directory = create_session_directory(LaunchRequest(name="mine", budget=2))
    state = directory.state().model_copy(update={"stage": Stage.ENDED, "cost": Decimal("0.1")})
    directory.write_state(state)
    allowance = Allowance("local", CAPS)
    entry = {"name": "mine", "created_at": state.created_at.isoformat(), "budget": "2", "asked_at": "2026-01-01"}
    (paths.private_directory(paths.home() / "mcp") / "local.json").write_text(json.dumps([entry]))
    journal = Journal.create(directory.path)
    journal.update(demanded=True)
    assert (allowance.account().left, allowance.account().spent) == (1, 0)
    journal.update(closed=True)
    assert (allowance.account().left, allowance.account().spent) == (Decimal("2.9"), Decimal("0.1"))


@pytest.mark.parametrize("then", ["runs", "removed", "deleted"])
def test_a_session_that_its_user_extended_counts_as_what_it_may_cost_and_did(home, then):
    del home
    directory = create_session_directory(LaunchRequest(name="mine", budget=1))
    before = directory.state()
    entry = {"name": "mine", "created_at": before.created_at.isoformat(), "budget": "1", "asked_at": "2026-01-01"}
    (paths.private_directory(paths.home() / "mcp") / "local.json").write_text(json.dumps([entry]))
    directory.write_state(before.model_copy(update={"budget": Decimal("2.5")}))
    account = Allowance("local", CAPS).account
    if then == "runs":
        journal = Journal.create(directory.path)
        journal.update(demanded=True)
        assert (account().left, account().reserved) == (Decimal("0.5"), Decimal("2.5"))
        return
    ended = {"budget": Decimal("2.5"), "stage": Stage.ENDED, "cost": Decimal(2)}
    directory.write_state(before.model_copy(update=ended))
    if then == "removed":
        trash.put(directory)
    else:
        deleted_bills.note(directory)
        shutil.rmtree(directory.path)
    assert (account().left, account().spent) == (1, 2)


@pytest.mark.parametrize("stage", [Stage.ENDED, Stage.SUSPENDED])
def test_no_session_of_an_assistant_takes_the_place_of_one_of_the_users(home, monkeypatch, stage):
    begun = []
    monkeypatch.setattr(module.client, "start", lambda request: begun.append(request.name))
    directory = create_session_directory(LaunchRequest(name="thesis"))
    directory.write_state(directory.state().model_copy(update={"stage": stage}))
    with pytest.raises(SessionNameTaken):
        Allowance("local", CAPS).start(LaunchRequest(name="thesis"))
    assert not begun
    assert not (home / "mcp" / "local.json").exists()


def test_an_assistant_uses_a_name_of_its_own_again(home, monkeypatch):
    del home

    def anew(request):
        shutil.rmtree(paths.sessions_directory() / request.name, ignore_errors=True)
        directory = create_session_directory(request)
        directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
        return directory

    monkeypatch.setattr(module.client, "start", anew)
    for _ in range(2):
        assert Allowance("local", CAPS).start(LaunchRequest(name="helped")).name == "helped"
