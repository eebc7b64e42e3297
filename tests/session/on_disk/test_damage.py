"""A session with damaged files: it hides no other, is listed as such, and can still be ended."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from golem_launcher import files, paths, processes
from golem_launcher.cli import main
from golem_launcher.errors import SessionDamaged
from golem_launcher.events import CostChanged, Message, ProviderChosen, Stage, StageChanged, now
from golem_launcher.market.prices import DURATION, Price
from golem_launcher.node.doctor_check import Verdict
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.cleanup import leftovers, trash
from golem_launcher.session.client import damaged_sessions
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory, session_directory
from golem_launcher.ui.cards.view_model import SessionViews

DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "of another version": lambda path: path.write_text(path.read_text().replace('"ended"', '"levitating"')),
    "no text": lambda path: path.write_bytes(b"\xff\x00" * 50),
    "missing": lambda path: path.unlink(),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def over(name, stage=Stage.ENDED):
    """A session that has ended, as a supervisor leaves it."""
    directory = create_session_directory(LaunchRequest(name=name, budget=2))
    for event in (
        StageChanged(stage=Stage.READY),
        ProviderChosen(provider_id="0x1", provider_name="attic", agreement_id="a1"),
        CostChanged(cost="0.25"),
        StageChanged(stage=stage, reason="Stopped as asked."),
    ):
        directory.append_event(event)
    directory.write_state(directory.state().model_copy(update={"stage": stage}))
    return directory


def run(*arguments):
    done = CliRunner().invoke(main.app, arguments)
    return done.exit_code, done.stdout


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_hides_nothing_and_is_told_from_the_other_files(damage):
    directory = over("first")
    over("second")
    DAMAGE[damage](directory.path / "state.json")
    code, text = run("list")
    assert code == 0
    assert "second" in text
    assert "ended (damaged)" in text
    code, text = run("show", "first", "--json")
    shown = json.loads(text)
    assert (code, shown["damaged"]) == (0, ["state.json"])
    assert (shown["stage"], shown["provider"], shown["cost"], shown["network"]) == ("ended", "attic", "0.25", "local")
    assert "state.json is damaged" in shown["trouble"]
    assert {view["name"] for view in SessionViews().read()[0]} == {"first", "second"}
    check = damaged_sessions.check()
    assert check.verdict is Verdict.WARN
    assert "first (state.json)" in check.message
    if damage != "a directory":
        assert run("stop", "first")[0] == 0
        assert damaged_sessions.check().verdict is Verdict.OK
    else:
        with pytest.raises(SessionDamaged, match="not known where it was saved"):
            client.saving_of(directory)
    trash.bring_back(trash.put(directory))


@pytest.mark.parametrize("damage", DAMAGE)
def test_without_its_request_a_session_is_still_there(damage):
    directory = over("first")
    DAMAGE[damage](directory.path / "request.json")
    if damage == "of another version":
        (directory.path / "request.json").write_text('{"name": "first", "gravity": 0}')
    assert "first" in run("list")[1]
    assert run("stop", "first")[0] == 0
    with pytest.raises(SessionDamaged, match="workspaces"):
        session_directory("first").request()
    assert "first (request.json)" in damaged_sessions.check().message


def test_a_living_session_is_listed_and_keeps_its_workspace_with_nothing_readable_but_its_process(sleeper):
    directory = over("alive", Stage.READY)
    files.write_json(directory.path / "supervisor.json", processes.ProcessRecord.of(sleeper.pid).to_json())
    for name in ("state.json", "request.json"):
        (directory.path / name).unlink()
    (shown,) = json.loads(run("list", "--json")[1])
    assert (shown["stage"], shown["alive"]) == ("ready", True)
    assert "request.json" in shown["trouble"]
    assert liveness.claimed(None) == {}


def test_a_damaged_journal_is_no_journal_that_owes_nothing():
    directory = over("first", Stage.READY)
    Journal.create(directory.path).update(demanded=True)
    directory.write_state(directory.state().model_copy(update={"cost": Decimal("0.25")}))
    (directory.path / "journal.json").write_bytes(b"{")
    assert damaged_sessions.check().message.endswith("first (journal.json).")
    assert leftovers.close(directory, start_node=False)
    state = directory.state()
    assert state.stage is Stage.FAILED
    assert "wallet --release" in state.reason
    assert (state.cost, state.owed_at_most) == (Decimal("0.25"), True)


def test_a_damaged_state_hides_nothing_of_what_is_owed():
    directory = over("first")
    agreement = {"agreement_id": "a1", "provider_id": "0x1", "provider_name": "attic"}
    price = Price(Decimal(0), Decimal("0.0001"), Decimal(0), 1, (DURATION,))
    journal = Journal.create(directory.path)
    journal.update(demanded=True, network="elsewhere")
    began = now() - timedelta(hours=1)
    journal.add_agreement(AgreementEntry(**agreement, price=price, activity_id="b1", started_at=began))
    (directory.path / "state.json").unlink()
    assert not leftovers.close(directory, start_node=False)
    state = directory.state()
    assert Decimal("0.36") <= state.cost < Decimal("0.37"), "what it told last is an hour ago"
    assert state.owed_at_most
    assert "not closed down yet" in state.trouble
    (directory.path / "request.json").unlink()
    assert directory.state().network == "elsewhere"

    billed = bills.AgreementBill(**agreement, invoiced=Decimal("0.3"), invoice_state="ACCEPTED")
    bills.write(directory.path, [billed])
    journal.update(closed=True)
    state = client.stop("first")
    assert (state.cost, state.owed_at_most, state.trouble) == (Decimal("0.3"), False, "")
    assert directory.written_state() == state


def test_the_last_of_very_many_events_counts():
    directory = over("first", Stage.READY)
    with (directory.path / "events.jsonl").open("ab") as events:
        line = Message(text="x" * 1000).model_dump_json().encode() + b"\n"
        events.writelines([line] * 5000)
    directory.append_event(StageChanged(stage=Stage.ENDED, reason="Its time was over."))
    (directory.path / "state.json").unlink()
    assert directory.state().stage is Stage.ENDED
