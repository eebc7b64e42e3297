"""``golem-launcher localnet …``: a Golem network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from golem_launcher.cli.output import print_json, reports_errors, say
from golem_launcher.localnet import network

app = typer.Typer(help="A whole Golem network on this machine.", no_args_is_help=True)

_Spec = Annotated[Optional[Path], typer.Option("--spec", help="TOML file that describes the network.")]  # noqa: UP045
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@app.command()
@reports_errors
def up(spec: _Spec = None, json: _Json = False) -> None:  # noqa: FBT002 - typer's way to a flag
    """Start the network, or mend it; nothing happens when it is up."""
    network.up(spec)
    _show(network.status(), as_json=json)


@app.command()
@reports_errors
def status(json: _Json = False) -> None:  # noqa: FBT002
    """Say how the network is."""
    _show(network.status(), as_json=json)


@app.command()
@reports_errors
def down() -> None:
    """End the network and every process of it."""
    say("The local network is down." if network.down() else "The local network was not up.")


def _show(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    say(f"The local network is {state['stage']}.")
    for provider in state["providers"]:
        say(
            f"  {provider['name']:<20} {provider['state']:<5} {provider['threads']} threads, "
            f"{provider['memory_gib']:g} GiB, {provider['price_hour']} GLM/h + {provider['price_cpu_hour']} GLM/CPU h"
        )
