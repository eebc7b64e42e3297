"""``golem-launcher cluster``: the Dask cluster beside a session's notebooks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say


class Action(StrEnum):
    """What to do with it."""

    SCALE = "scale"


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("cluster")(reports_errors(cluster))


def cluster(
    name: Annotated[str, typer.Argument(help="The session.")],
    action: Annotated[Action | None, typer.Argument(help="scale: say how many workers there are to be.")] = None,
    workers: Annotated[int | None, typer.Argument(help="How many.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the Dask cluster beside a session's notebooks, or scale it.

    What you say here counts for more than --max-workers did: notebooks may ask for as many from then on.

    Examples:
    golem-launcher cluster my-lab
    golem-launcher cluster my-lab scale 8
    """
    from golem_launcher.cli.sessions.formatting import cluster_words, machine_words
    from golem_launcher.errors import RequestError
    from golem_launcher.session import client

    if (action is None) != (workers is None):
        raise RequestError("'scale' takes a number of workers.", f"golem-launcher cluster {name} scale 4")
    told = client.cluster(name, workers)
    state = client.find(name).state()
    if as_json:
        machines = [one.model_dump(mode="json") for one in state.machines[1:]]
        print_json({**told.model_dump(mode="json"), "machines": machines})
        return
    say(cluster_words(told))
    for machine in state.machines_in_use[1:]:
        say(machine_words(machine, state))
