"""``golem-launcher jobs``: what there is of ``run`` and ``sweep``, and how far each is."""

from __future__ import annotations

import contextlib
import shutil
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.cli.options.completion import job_names
from golem_launcher.cli.terminal.command_io import FAILED, Json, print_json, reports_errors, say
from golem_launcher.errors import RequestError, SessionNotFound
from golem_launcher.units import coins, counted

if TYPE_CHECKING:
    from golem_launcher.tasks.record import JobDirectory

_HEAD = ("JOB", "BY", "STATE", "DONE", "FAILED", "COST", "LAST", "RESULTS")


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("jobs")(reports_errors(jobs))


def jobs(
    *,
    remove: Annotated[
        str | None, typer.Option(metavar="NAME", help="Forget this job; its results stay.", autocompletion=job_names)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something is lost.")] = False,
    as_json: Json = False,
) -> None:
    """List the jobs of run and sweep, the last one first; or forget one.

    Examples:
    golem-launcher jobs
    golem-launcher jobs --remove frames
    """
    from golem_launcher.cli.terminal.moment import moment
    from golem_launcher.cli.terminal.table import show_table
    from golem_launcher.tasks import record
    from golem_launcher.tasks.progress import about

    if remove is not None:
        _remove(record.find(remove), yes=yes)
        return
    told = [about(directory) for directory in record.job_directories()]
    if as_json:
        print_json(told)
    elif not told:
        say("There are no jobs yet. One begins with: golem-launcher run --map 0:3 -- echo {item}")
    else:
        rows = [
            (
                one["job"], one["by"], one["state"], f"{one['done']} of {one['tasks']}", str(one["failed"]),
                f"{coins(Decimal(one['cost']))} {one['coin']}", moment(one["last"]), one["output"],
            )
            for one in told
        ]  # fmt: skip
        show_table(_HEAD, rows, give_way=("RESULTS", "JOB"), right=("DONE", "FAILED", "COST"))


def _remove(directory: JobDirectory, *, yes: bool) -> None:
    """Forget a job that nobody is at. Its session, which has the bill, is another thing."""
    from golem_launcher.session.on_disk import liveness
    from golem_launcher.session.on_disk.directory import session_directory
    from golem_launcher.tasks.progress import about

    name, found = directory.name, about(directory)
    with directory.held():
        with contextlib.suppress(SessionNotFound):
            if liveness.alive(session_directory(name)):
                raise RequestError("The job's session still runs, and costs.", f"First: golem-launcher stop {name}")
        missing = found["tasks"] - found["done"]
        loss = f", of which {counted(missing, 'task')} could still be done by --resume" if missing > 0 else ""
        if not yes:
            if not sys.stdin.isatty():
                raise RequestError(f"'{name}' is a job{loss}.", "Say --yes to forget it.")
            if not typer.confirm(f"Forget the job '{name}'{loss}? This can't be undone; its results stay."):
                raise typer.Exit(FAILED)
        shutil.rmtree(directory.path)
    say(f"'{name}' is forgotten. Results: {found['output']}. Bill: golem-launcher bill {name}")
