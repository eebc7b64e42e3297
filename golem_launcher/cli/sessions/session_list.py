"""The command ``list``. Without options ``cli/entry.py`` runs it: to load a parser takes longer than the list."""

from __future__ import annotations

from typing import Annotated

import typer

from golem_launcher.cli.sessions import session_table
from golem_launcher.cli.terminal.command_io import Json, reports_errors


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("list")(reports_errors(list_sessions))


def list_sessions(
    *,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help=f"All that are over, not the newest {session_table.MOST_PAST} alone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the sessions, the newest first: all that run, and the last that are over.

    Examples:
    golem-launcher list
    golem-launcher list --all --json
    """
    session_table.list_sessions(everything=everything, as_json=as_json)
