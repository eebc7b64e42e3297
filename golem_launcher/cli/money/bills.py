"""The commands ``bill`` and ``ledger``."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.completion import session_names
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.moment import moment
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.errors import LauncherError
from golem_launcher.networks import NETWORKS
from golem_launcher.units import coins
from golem_launcher.untrusted_text import spreadsheet_cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.node.node import Node
    from golem_launcher.rental.payment.bills import AgreementBill
    from golem_launcher.session.on_disk.bill import Bill
    from golem_launcher.session.on_disk.directory import SessionDirectory

_Csv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a head line.")]


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (bill, ledger):
        app.command(command.__name__)(reports_errors(command))


def bill(
    name: Annotated[str, typer.Argument(help="The session.", autocompletion=session_names)],
    *,
    json: Json = False,
    as_csv: _Csv = False,
) -> None:
    """Show what a session was billed: time, usage, price, debit notes, invoice, and how far it is paid.

    Example: golem-launcher bill my-lab --csv
    """
    from golem_launcher.rental.payment.bills import AgreementBill
    from golem_launcher.session.on_disk.bill import bill_of
    from golem_launcher.session.on_disk.directory import session_directory
    from golem_launcher.session.preparation import network_nodes

    directory = session_directory(name)
    network = NETWORKS.get(directory.state().network)
    found = bill_of(directory, network_nodes.present(network) if network else None)
    if json:
        print_json(_bill_json(found))
    elif as_csv:
        columns = (*_head_columns(), *AgreementBill.model_fields)
        _print_csv(columns, [{**_head(found), **_flat(one.model_dump(mode="json"))} for one in found.agreements])
    else:
        _show_bill(found)


def ledger(*, json: Json = False, as_csv: _Csv = False) -> None:
    """List all sessions with what they cost and how far they are paid, also those that are off the list.

    Example: golem-launcher ledger --csv > ledger.csv
    """
    from golem_launcher.session.cleanup.session_history import all_sessions

    nodes: dict[str, Node | None] = {}
    every = all_sessions()
    readable = [_readable_bill(directory, nodes) for directory in every.directories]
    found = [*(one for one in readable if one is not None), *every.bills]
    found.sort(key=lambda one: one.created_at, reverse=True)
    if json:
        print_json([_bill_json(one) for one in found])
    elif as_csv:
        _print_csv(_head_columns(), [_head(one) for one in found])
    elif not found:
        say("There are no sessions. Start one: golem-launcher start --wait")
    else:
        show_table(
            ("SESSION", "NETWORK", "BEGUN", "HOURS", "COST", "PAYMENT"),
            [
                (
                    one.session, one.network, moment(one.created_at),
                    f"{one.seconds / 3600:.2f}", f"{coins(one.cost)} {one.token}", one.state,
                )
                for one in found
            ],
            give_way=("PAYMENT", "SESSION"),
            right=("HOURS", "COST"),
        )  # fmt: skip
        counts = [one for one in found if one.network not in NETWORKS or not NETWORKS[one.network].chain_is_here]
        for token in sorted({one.token for one in counts}):
            total = sum((one.cost for one in counts if one.token == token), Decimal(0))
            say(f"In all: {coins(total)} {token}")


def _readable_bill(directory: SessionDirectory, nodes: dict[str, Node | None]) -> Bill | None:
    """A session's bill; where it may have been paid meanwhile, its node is asked. ``nodes`` keeps those that run."""
    from golem_launcher.session.on_disk.bill import PENDING, bill_of
    from golem_launcher.session.preparation import network_nodes

    try:
        found = bill_of(directory)
        if found.state not in PENDING or found.network not in NETWORKS:
            return found
        if found.network not in nodes:
            nodes[found.network] = network_nodes.present(NETWORKS[found.network])
        return bill_of(directory, nodes[found.network])
    except LauncherError as error:
        typer.echo(f"{directory.name}: {error}", err=True)
        return None


def _show_bill(found: Bill) -> None:
    say(f"session:   {found.session} ({found.stage}) on {found.network}")
    say(f"time:      {found.seconds / 3600:.3f} h since it was ready")
    at_most = "at most " if found.at_most else ""
    say(f"cost:      {at_most}{coins(found.cost)} of {coins(found.budget)} {found.token}")
    say(f"payment:   {found.state}")
    for one in found.agreements:
        say(f"agreement: {one.agreement_id}")
        say(f"  provider:    {one.provider_name} {one.provider_id}")
        if one.per_hour is not None:
            say(f"  price:       {coins(one.per_hour)} an hour at full load, {coins(one.start_fee)} at the start")
        for counter, used in one.usage.items():
            say(f"  usage:       {counter.removeprefix('golem.usage.')} {used:.1f}")
        say(f"  debit notes: {one.debit_notes}, the last of {coins(one.debited)} {one.debit_state.lower()}".rstrip())
        if one.invoiced is not None:
            say(f"  invoice:     {coins(one.invoiced)}, {one.invoice_state.lower()}{_beside_notes(one)}")
        elif one.owed:
            say(f"  invoice:     it is late and waited for; at most {coins(one.owed)} are accepted")
        if one.refused:
            say(f"  not paid:    {one.refused}")
        for refusal in one.refusals:
            say(f"  refused:     {refusal.why} {refusal.figures}".rstrip())
        for transaction in one.transactions:
            say(f"  paid by:     {_transaction_place(found.network, transaction)}")


def _beside_notes(bill: AgreementBill) -> str:
    """Why an invoice has another amount than what was shown while the session ran; empty where it has the same."""
    more = (bill.invoiced or Decimal(0)) - bill.debited
    if not more or not bill.debit_notes:
        return ""
    if more < 0:
        return f"; {coins(-more)} less than the last debit note"
    return f"; {coins(more)} more than the last debit note: for the time between that and the end"


def _bill_json(found: Bill) -> dict[str, Any]:
    return {**found.model_dump(mode="json"), "seconds": found.seconds, "state": found.state}


def _head(found: Bill) -> dict[str, Any]:
    value = found.model_dump(mode="json", exclude={"agreements"})
    return {**value, "seconds": round(found.seconds, 1), "payment": found.state}


def _head_columns() -> tuple[str, ...]:
    """The keys of :func:`_head`."""
    from golem_launcher.session.on_disk.bill import Bill

    return (*(name for name in Bill.model_fields if name != "agreements"), "seconds", "payment")


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    usage = value["usage"]
    value["refusals"] = " | ".join(one["why"] for one in value["refusals"])
    value["transactions"] = " ".join(value["transactions"])
    return {**value, "usage": " ".join(f"{counter}={used}" for counter, used in usage.items())}


def _transaction_place(network: str, transaction: str) -> str:
    """Where to look at a transaction, else its hash."""
    url = NETWORKS[network].transaction_url(transaction) if network in NETWORKS else ""
    return url or transaction


def _print_csv(columns: Iterable[str], rows: list[dict[str, Any]]) -> None:
    """Print a table with its head line, also where there is nothing below it."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows([{key: _cell(value) for key, value in row.items()} for row in rows])
    typer.echo(text.getvalue(), nl=False)


def _cell(value: Any) -> Any:
    return spreadsheet_cell(value) if isinstance(value, str) else value
