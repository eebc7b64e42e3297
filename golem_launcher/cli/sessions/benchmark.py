"""The command ``benchmark``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.cli.options.session import Name  # noqa: TC001 - typer reads it
from golem_launcher.cli.terminal.command_io import Json, print_json, progress, reports_errors, say

if TYPE_CHECKING:
    import typer


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("benchmark")(reports_errors(benchmark))


def benchmark(name: Name, *, json: Json = False) -> None:
    """Measure the machine of a session: cores, memory, disk, network, and a GPU with PyTorch. 40 seconds at most.

    The result is remembered of its provider, and counts for --choose speed. What runs meanwhile makes it slower.

    Example: golem-launcher benchmark my-lab
    """
    from golem_launcher.session import client
    from golem_launcher.session.on_disk.directory import session_directory

    directory = session_directory(name)
    progress(f"Measuring the machine of '{directory.name}'. It takes half a minute, 40 seconds at most.")
    found = client.benchmark(directory.name)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    for what, words in found.lines:
        say(f"{what + ':':<12}{words}")
