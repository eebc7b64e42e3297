"""``golem-launcher sweep``: a notebook for each of many sets of parameters, on several machines."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.jobs.foreground import Files, Output, Work, Workers, carry_out, changed, tell
from golem_launcher.cli.options.completion import job_names
from golem_launcher.cli.options.request import takes_request
from golem_launcher.cli.terminal.command_io import FAILED, Json, print_json, reports_errors, say
from golem_launcher.errors import RequestError
from golem_launcher.request.fields import DECIDED_BY_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.cli.jobs.foreground import Told
    from golem_launcher.tasks.record import JobDirectory, JobRecord
    from golem_launcher.tasks.sweep import Sweep, SweepTasks


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("sweep")(reports_errors(takes_request(sweep, without=DECIDED_BY_JOBS)))


def sweep(
    *,
    given: dict[str, Any],
    notebook: Annotated[Path | None, typer.Argument(help="The notebook, with a cell tagged 'parameters'.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=A,B", help="Values of a parameter. Can be given several times."),
    ] = None,
    param_file: Annotated[
        Path | None, typer.Option("--param-file", help="Sets of parameters: a CSV file with a line of names, or JSON.")
    ] = None,
    workers: Workers = None,
    file: Files = None,
    output: Output = None,
    kernel: Annotated[str | None, typer.Option("--kernel", help="Of the provider's; else the notebook's own.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for a notebook. (default: 3600)")] = None,
    stop_at_failure: Annotated[
        bool, typer.Option("--stop-at-failure", help="Begin nothing more once one has failed.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with a sweep: what is done is done.", autocompletion=job_names)
    ] = None,
    as_json: Json = False,
) -> None:
    """Execute a notebook for each of many sets of parameters, on several machines.

    Each becomes a notebook of its own, as papermill writes them, and a row of summary.csv, .html, .parquet. One whose
    cell fails is kept with the error in it; --resume does what is missing, and what failed, again.

    Examples:
    golem-launcher sweep train.ipynb --param lr=0.1,0.01 --param depth=2,3 --workers 4 --output runs
    golem-launcher sweep train.ipynb --param-file grid.csv --file data/ --package scikit-learn
    golem-launcher sweep --resume train
    """
    from golem_launcher.tasks import record, result_files
    from golem_launcher.tasks.job import parsed
    from golem_launcher.tasks.labels import SUMMARIES
    from golem_launcher.tasks.parameters import check_names, sets_of, unheeded
    from golem_launcher.tasks.sweep import Sweep, keep_notebook, new_sweep, read_notebook, sweep_in
    from golem_launcher.tasks.sweep_summary import write_summary

    own: dict[str, Any] = {"workers": workers, "timeout": timeout, "stop_at_failure": stop_at_failure or None}
    own = {name: value for name, value in own.items() if value is not None}
    if resume is not None:
        directory = record.find(resume)
        if notebook is not None or param or param_file or file or output or kernel:
            raise RequestError("What is executed can't be changed of a sweep that was begun.", "Begin another one.")
        asked = changed(sweep_in(directory), given, own, directory, functools.partial(parsed, Sweep))
    elif notebook is None:
        raise RequestError("There is no notebook.", "Name one: golem-launcher sweep train.ipynb --param lr=0.1,0.01")
    else:
        data, sets = read_notebook(notebook), sets_of(param or [], param_file)
        place = Path(output) if output else None
        asked = new_sweep(notebook.stem, sets, given, inputs=file or (), output=place, kernel=kernel or "", **own)
        check_names(data, asked.sets)
        if words := unheeded(data, asked.sets):
            typer.echo(f"Note: {words}", err=True)
        result_files.check_free(Path(asked.output), [*SUMMARIES, *(f"{label}.ipynb" for label in asked.labels)])
        directory = record.create(asked.request.name, asked.model_dump(mode="json"))
        keep_notebook(data, directory)
    outcome = asyncio.run(carry_out(Work(directory, asked, functools.partial(_source, asked, directory))))
    outcome["summary"] = [str(path) for path in write_summary(asked, directory.lines())]
    if as_json:
        print_json(outcome)
    else:
        tell(outcome, "sweep")
        say(f"  Summary: {outcome['summary'][0]}")
        if not outcome["summary"][-1].endswith(".parquet"):
            say("  With pyarrow it is there as Parquet, too: pip install pyarrow")
        if outcome["failed"]:
            say("  --resume takes the notebook as it was when the sweep began; a mended one is another sweep.")
    if outcome["done"] < outcome["tasks"]:
        raise typer.Exit(FAILED)


def _source(
    sweep: Sweep, directory: JobDirectory, record: JobRecord, told: Told, stop: Callable[[], None]
) -> SweepTasks:
    from golem_launcher.tasks.sweep import SweepTasks

    return SweepTasks(sweep, directory, record, told, stop)
