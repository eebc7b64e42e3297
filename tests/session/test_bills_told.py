"""What a program reads of bills has its head and its form also where there are none."""

import csv
import io
import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.events import Stage
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.bills import AgreementBill
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import trash
from golem_launcher.session.on_disk.directory import create_session_directory


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def command(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def columns(text):
    return next(csv.reader(io.StringIO(text)))


def test_an_empty_ledger_has_the_head_line_of_a_full_one():
    empty = command("ledger", "--csv")
    assert json.loads(command("ledger", "--json")) == []
    assert "no sessions" in command("ledger")
    create_session_directory(LaunchRequest(name="a"))
    full = command("ledger", "--csv")
    assert columns(full) == columns(empty)
    assert len(full.splitlines()) == 2
    assert next(iter(csv.DictReader(io.StringIO(full))))["session"] == "a"


def test_the_ledger_has_sessions_whose_name_is_another_ones_by_now(monkeypatch):
    """The last of them with their files, the ones before by what was kept of their bills."""
    monkeypatch.setattr(trash, "_KEEP", 1)
    for cost in (1, 2, 3):
        directory = create_session_directory(LaunchRequest(name="a"))
        directory.write_state(directory.state().model_copy(update={"cost": Decimal(cost), "stage": Stage.ENDED}))
        trash.put(directory)
    directory = create_session_directory(LaunchRequest(name="a"))
    found = json.loads(command("ledger", "--json"))
    assert [(one["session"], Decimal(one["cost"])) for one in found] == [("a", 0), ("a", 3), ("a", 2), ("a", 1)]
    assert len(list(csv.DictReader(io.StringIO(command("ledger", "--csv"))))) == 4
    assert [path.name for path in paths.sessions_directory().glob(".ended/*")] == [trash.kept()[0].name]


def test_a_bill_of_nothing_has_the_head_line_of_one_with_agreements():
    directory = create_session_directory(LaunchRequest(name="a"))
    empty = command("bill", "a", "--csv")
    one = AgreementBill(agreement_id="x", provider_id="0x1", provider_name="=evil", usage={"cpu": 1.0})
    bills.write(directory.path, [one])
    full = command("bill", "a", "--csv")
    assert columns(full) == columns(empty)
    (row,) = csv.DictReader(io.StringIO(full))
    assert (row["session"], row["agreement_id"], row["provider_name"], row["usage"]) == ("a", "x", "'=evil", "cpu=1.0")


@pytest.mark.parametrize(
    ("notes", "debited", "said"),
    [
        (3, "0.012", "0.013, accepted; 0.001 more than the last debit note: for the time between that and the end"),
        (3, "0.013", "0.013, accepted"),
        (3, "0.02", "0.013, accepted; 0.007 less than the last debit note"),
        (0, "0", "0.013, accepted"),
    ],
)
def test_why_an_invoice_is_not_what_was_told_before_is_said(notes, debited, said):
    directory = create_session_directory(LaunchRequest(name="a"))
    known = {"agreement_id": "x", "provider_id": "0x1", "provider_name": "attic", "invoice_state": "ACCEPTED"}
    one = AgreementBill(**known, debit_notes=notes, debited=Decimal(debited), invoiced=Decimal("0.013"))
    bills.write(directory.path, [one])
    assert f"  invoice:     {said}\n" in command("bill", "a")
