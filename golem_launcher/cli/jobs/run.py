"""``golem-launcher run``: a command for each of many items, on several machines."""

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
    from golem_launcher.tasks.job import CommandTasks, Job
    from golem_launcher.tasks.record import JobRecord

_OF_FILE = (
    "command", "map", "workers", "setup", "files", "output", "collect", "timeout", "attempts", "verify", "check",
)  # fmt: skip
"""What a job's file may have beside the fields of a request."""


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("run")(reports_errors(takes_request(run, without=DECIDED_BY_JOBS)))


def run(
    *,
    given: dict[str, Any],
    command: Annotated[
        list[str] | None, typer.Argument(help="The command; {item} and {index} in it stand for a task's.")
    ] = None,
    map_: Annotated[
        str | None, typer.Option("--map", metavar="FILE|RANGE", help="The items: a line of a file each, or 0:60:10.")
    ] = None,
    workers: Workers = None,
    setup: Annotated[str | None, typer.Option("--setup", help="What is done once at each machine.")] = None,
    file: Files = None,
    output: Output = None,
    collect: Annotated[
        list[str] | None, typer.Option("--collect", help="A pattern of files that come back, like '*.png'; else all.")
    ] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for a task. (default: 3600)")] = None,
    attempts: Annotated[int | None, typer.Option("--attempts", help="How often a task is tried. (default: 3)")] = None,
    verify: Annotated[
        int | None, typer.Option("--verify", help="So many providers must come to the same files. (default: 1)")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", help="A program of yours that judges a result: it gets its directory.")
    ] = None,
    job_file: Annotated[Path | None, typer.Option("--job", help="All this in a YAML file; options win.")] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with a job: what is done is done.", autocompletion=job_names)
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a command for each of many items, on several machines.

    Each task has a directory of its own at the provider, in which the files that you bring are; what it makes there
    comes back. Ctrl-C ends the job once what runs is done, a second one at once.

    Examples:
    golem-launcher run --map 0:60:10 --file scene.blend -- blender -b scene.blend -o //out#### -f {item}
    golem-launcher run --workers 5 --map urls.txt --file fetch.py --output pages -- python3 fetch.py {item}
    golem-launcher run --job render.yaml --budget 2
    golem-launcher run --resume render
    """
    from golem_launcher.tasks import record, result_files
    from golem_launcher.tasks.job import job_in, parse_job, setup_payload, unheeded

    own = {
        "command": command, "map": map_, "workers": workers, "setup": setup, "files": file, "output": output,
        "collect": collect, "timeout": timeout, "attempts": attempts, "verify": verify, "check": check,
    }  # fmt: skip
    own = {name: value for name, value in own.items() if value not in (None, [])}
    if resume is not None:
        directory = record.find(resume)
        _check_changeable(own)
        job = changed(job_in(directory), given, own, directory, parse_job)
    else:
        job = _new(job_file, given, own)
        for words in unheeded(job, Path.cwd()):
            typer.echo(f"Note: {words}", err=True)
        result_files.check_free(Path(job.output), job.labels)
        directory = record.create(job.request.name, job.model_dump(mode="json"))
    source = functools.partial(_source, job)
    outcome = asyncio.run(carry_out(Work(directory, job, source, setup_payload(job))))
    if as_json:
        print_json(outcome)
    else:
        tell(outcome, "run")
        _tell_of_logs(outcome)
    if outcome["done"] < outcome["tasks"]:
        raise typer.Exit(FAILED)


def _tell_of_logs(outcome: dict[str, Any]) -> None:
    """Say where that lies which tasks printed."""
    from golem_launcher.tasks.job import log_of_failure

    if outcome["done"]:
        say("  What a task printed is in log.txt beside its results.")
    logs = (log_of_failure(Path(outcome["output"]), label) for label in outcome["failed"])
    first = next((path for path in logs if path.exists()), None)
    if first is not None:
        say(f"  What a failed one printed is kept likewise: {first}")


def _new(job_file: Path | None, given: dict[str, Any], own: dict[str, Any]) -> Job:
    """The job that file and options ask for."""
    from golem_launcher.request import LaunchRequest, parse_request, yaml
    from golem_launcher.session import client
    from golem_launcher.suggestions import did_you_mean
    from golem_launcher.tasks import record
    from golem_launcher.tasks.job import parse_job

    values = {**(yaml.read(job_file) if job_file else {}), **given, **own}
    told = {name: values.pop(name) for name in _OF_FILE if name in values}
    known = [*_OF_FILE, *LaunchRequest.model_fields]
    if odd := [name for name in values if name not in known]:
        raise RequestError(
            f"There is no '{odd[0]}' in a job.", did_you_mean(odd[0], known) or f"There is: {', '.join(known)}."
        )
    command = told.get("command", ())
    if not command:
        raise RequestError("There is no command.", "Write it behind two dashes: golem-launcher run -- echo hello")
    request = {
        "name": record.new_name(),
        **values,
        "workload": "tasks",
        "machines": told.pop("workers", 3),
        "save": False,
    }
    request |= {"inputs": _several(told.pop("files", ()))}
    items = _items(told.pop("map", None))
    asked = client.with_absolute_paths(parse_request(request))
    output = Path(told.pop("output", asked.name)).expanduser().absolute()
    job: dict[str, Any] = {**told, "items": items, "output": str(output), "request": asked}
    job["command"] = _words("command", command)
    job["collect"] = _several(job.get("collect", ()))
    job["check"] = _words("check", job.get("check", ()))
    parsed = parse_job(job)
    machines = min(asked.machines, len(items) * parsed.verify)
    return parsed.model_copy(update={"request": asked.model_copy(update={"machines": machines})})


def _items(told: Any) -> tuple[str, ...]:
    """One item without ``map``; in a file they can be a list."""
    from golem_launcher.tasks.job import items_of

    if told is None:
        return ("",)
    return items_of(told) if isinstance(told, str) else tuple(told)


def _words(name: str, told: Any) -> tuple[str, ...]:
    """A line for the shell as its words."""
    import shlex

    try:
        return tuple(shlex.split(told)) if isinstance(told, str) else tuple(told)
    except ValueError as error:
        raise RequestError(f"The {name} can't be read as words: {error}.") from None


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _check_changeable(own: dict[str, Any]) -> None:
    """Money, time, workers, patience are; what is done is not."""
    if wrong := sorted(own.keys() - {"workers", "timeout", "attempts"}):
        raise RequestError(
            f"--{wrong[0]} can't be changed of a job that was begun.", "Begin another job, under another --name."
        )


def _source(job: Job, record: JobRecord, told: Told, _stop: Callable[[], None]) -> CommandTasks:
    from golem_launcher.tasks.job import CommandTasks

    return CommandTasks(job, record, told)
