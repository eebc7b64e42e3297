"""``golem-launcher metrics``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("metrics")(reports_errors(metrics))


def metrics(
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where Prometheus asks; 0 takes a free port.")
    ] = 9464,
    once: Annotated[bool, typer.Option("--once", help="Print all figures as they are now, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Serve figures of all sessions to Prometheus, until Ctrl-C: stages, money, saves, machines, jobs.

    They are read from the sessions' files when somebody asks, on this computer only (127.0.0.1) and with the token that
    lies in the file it names. Dashboards, alerts and what each is called: docs/monitoring.md.

    Examples:
    golem-launcher metrics
    golem-launcher metrics --once
    """
    from golem_launcher.metrics import server

    if once:
        if as_json:
            print_json(server.samples())
        else:
            typer.echo(server.text(), nl=False)
        return

    def ready(address: str) -> None:
        token = str(server.token_file())
        if as_json:
            print_json({"url": address, "token_file": token})
        else:
            say(f"Figures of all sessions are at {address}, with the token in {token}")
        sys.stdout.flush()

    server.serve(port, ready)
