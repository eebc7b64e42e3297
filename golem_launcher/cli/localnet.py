"""``golem-launcher localnet …``: a Golem network on this machine."""

from __future__ import annotations

import typer

app = typer.Typer(help="A whole Golem network on this machine.", no_args_is_help=True)
