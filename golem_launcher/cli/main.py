"""``golem-launcher``: the command line, put together from one module per subject."""

from __future__ import annotations

import logging
import warnings

import typer

from golem_launcher.cli import (
    bills,
    localnet,
    market,
    money,
    node,
    page,
    sessions,
    start,
    ways,
    workspaces,
)

app = typer.Typer(
    name="golem-launcher",
    help="Launch a full JupyterLab inside a Golem provider.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
start.add_commands(app)
sessions.add_commands(app)
workspaces.add_commands(app)
market.add_commands(app)
money.add_commands(app)
bills.add_commands(app)
node.add_commands(app)
page.add_commands(app)
ways.add_commands(app)
app.add_typer(localnet.app, name="localnet")


def main() -> None:
    """Run the command line. What libraries log and warn of is not for the eyes of who typed a command."""
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore", FutureWarning)
    app()
