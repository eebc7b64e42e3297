"""``golem-launcher mcp``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.cli.options.completion import network_names
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.networks import DEFAULT, token_of
from golem_launcher.units import coins

if TYPE_CHECKING:
    from golem_launcher.mcp.allowance import Allowance


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("mcp")(reports_errors(mcp))


def mcp(
    *,
    budget: Annotated[
        str, typer.Option("--budget", metavar="NUMBER", help="What all sessions of assistants may cost together, ever.")
    ] = "1",
    sessions: Annotated[
        int, typer.Option("--sessions", metavar="NUMBER", min=1, help="How many may run at a time.")
    ] = 1,
    hours: Annotated[str, typer.Option("--hours", metavar="NUMBER", help="How long one may be asked for.")] = "2",
    network: Annotated[
        str,
        typer.Option(
            "--network",
            metavar="TEXT",
            help="Where they run; assistants can't choose it.",
            autocompletion=network_names,
        ),
    ] = DEFAULT,
    spent: Annotated[bool, typer.Option("--spent", help="Say what assistants spent, and no more.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Let assistants begin anew: forget what they spent.")
    ] = False,
    json: Json = False,
) -> None:
    """Serve assistants by the Model Context Protocol on standard input and output, within caps that only you set.

    An assistant's program starts it: name this command, with your caps, in its settings. Assistants can look at offers,
    start sessions, run Python in them, and stop them; they bring no file of this computer along, and see no token. What
    is beyond a cap is refused, also by a server that is started anew.

    Examples:
    golem-launcher mcp --network polygon --budget 2 --sessions 1
    golem-launcher mcp --spent
    """
    from golem_launcher.mcp.allowance import Allowance, Caps
    from golem_launcher.request import parse_request

    asked = parse_request({"network": network})
    allowance = Allowance(asked.network, Caps(_amount(budget, "--budget"), sessions, _amount(hours, "--hours")))
    if forget:
        allowance.forget()
    if forget or spent:
        _say(allowance, as_json=json)
        return
    try:
        from golem_launcher.mcp.server import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise LauncherError(
            "The library for this protocol is not installed.",
            "Install it: pip install 'mcp>=2.3'",
        ) from None
    serve(allowance)


def _amount(text: str, option: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise RequestError(f"{option} must be a number, more than 0.")
    return value


def _say(allowance: Allowance, *, as_json: bool) -> None:
    account, token = allowance.account(), token_of(allowance.network)
    if as_json:
        print_json({"network": allowance.network, "token": token, "spent": account.spent, "reserved": account.reserved,
                    "running": account.running})  # fmt: skip
    else:
        say(f"spent:     {coins(account.spent)} {token}")
        say(f"set aside: {coins(account.reserved)} {token}, for sessions that run: {account.running}")
