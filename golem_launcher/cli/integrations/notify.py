"""``golem-launcher notify``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.units import counted


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("notify")(reports_errors(notify))


def notify(
    *,
    add: Annotated[
        bool, typer.Option("--add", help="Add an address; it is asked for, or read from standard input.")
    ] = False,
    test: Annotated[bool, typer.Option("--test", help="Send something now.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Forget all addresses.")] = False,
    json: Json = False,
) -> None:
    """Be told by e-mail, a messenger or a webhook when a session is ready, loses its provider, is unused, or ends.

    Addresses are Apprise's (https://appriseit.com/services): mailto://…, ntfy://…, slack://…, json://… and many more.
    They are kept in one file that only you can read, and shown without their secrets.

    Examples:
    golem-launcher notify --add --test
    golem-launcher notify --off
    """
    from golem_launcher.session.reporting import notifications

    if off:
        count = notifications.forget()
        say(f"{counted(count, 'address is', 'addresses are')} forgotten.")
        return
    if add:
        typed = sys.stdin.isatty()
        asked = typer.prompt("Address", hide_input=True, err=True) if typed else sys.stdin.readline()
        if not asked.strip():
            raise RequestError("No address was given.", "Like mailto://user:password@example.org")
        notifications.add(asked.strip())
    shown = notifications.shown() if notifications.addresses() else []
    if test and not shown:
        raise LauncherError("There is no address yet.", "Add one: golem-launcher notify --add")
    if test and not notifications.send(
        "Golem Launcher", "You are told here when a session is ready, is lost, or ends."
    ):
        raise LauncherError("Not everybody took it.", "Look at the address; see https://appriseit.com/services")
    if json:
        print_json({"addresses": shown, "tested": test})
    elif not shown:
        say("You are told nowhere. Add an address: golem-launcher notify --add")
    else:
        for one in shown:
            say(one)
