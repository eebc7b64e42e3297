"""The command ``gpus``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from golem_launcher.cli.options.request import takes_request
from golem_launcher.cli.terminal.command_io import LOOKING, Json, print_json, reports_errors, say, waiting_for
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.networks import token_of
from golem_launcher.request.fields import NAMES
from golem_launcher.units import coins

if TYPE_CHECKING:
    import typer

    from golem_launcher.market.gpu_models import GpuModel

_GIVEN = ("network", "software", "image", "packages")
"""What decides which GPUs are of use."""


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("gpus")(reports_errors(takes_request(gpus, without=[name for name in NAMES if name not in _GIVEN])))


def gpus(*, given: dict[str, Any], json: Json = False) -> None:
    """List the models of GPUs that are on offer, the cheapest first: how many machines have one, and from which price.

    With --software or --package, those alone that these can use: a newer PyTorch knows no older GPUs.

    Examples:
    golem-launcher gpus --network polygon
    golem-launcher gpus --package torch --json
    """
    from golem_launcher.market.gpu_models import gpu_models
    from golem_launcher.request import parse_request
    from golem_launcher.session.preparation import offer_scan

    request = parse_request(given)
    with waiting_for(LOOKING):
        found = offer_scan.scan(request)
    models = gpu_models(request, [offer.machine for offer in (*found.fitting, *found.others)])
    if json:
        print_json([{**asdict(one), "per_hour": f"{one.per_hour:f}"} for one in models])
        return
    if not models:
        say(f"No GPU that could be used is on offer on '{request.network}'.")
        say("Elsewhere: golem-launcher gpus --network polygon")
        say("--software and --package rule out GPUs that they do not know.")
        return
    head = ("MODEL", "GiB EACH", "CUDA", "MACHINES", "IN ONE", f"{token_of(request.network)}/H FROM")
    show_table(head, list(map(_cells, models)), give_way=("MODEL",), right=head[1:])
    say("Take one: golem-launcher start --gpus 1 --gpu-model 'PART OF ITS NAME'")


def _cells(one: GpuModel) -> tuple[str, ...]:
    capability = one.compute_capability or "-"
    return (one.model, f"{one.memory_gib:g}", capability, f"{one.machines:,}", f"{one.most}", coins(one.per_hour))
