"""``golem-launcher run``: a command for each of many items, on several machines."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.output import FAILED, Json, print_json, reports_errors, say
from golem_launcher.cli.request import takes_request
from golem_launcher.errors import BudgetError, RequestError

if TYPE_CHECKING:
    from golem_launcher.cli.job_view import JobView
    from golem_launcher.tasks.job import Job
    from golem_launcher.tasks.record import JobDirectory
    from golem_launcher.tasks.runner import Runner

_SMALLEST = Decimal("0.000001")
"""GLM; a budget has no more digits."""
OWN_BUSINESS = frozenset({"machines", "workload", "inputs", "resume", "save", "save_seconds", "keep_gib", "store",
                          "encrypt", "recover", "lab_extensions", "ssh_key"})  # fmt: skip
"""Fields of a request that a job decides by itself."""
_OF_FILE = ("command", "map", "workers", "setup", "files", "output", "keep", "timeout", "attempts", "verify", "check")
"""What a job's file may have beside the fields of a request."""


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("run")(reports_errors(takes_request(run, without=OWN_BUSINESS)))


def run(
    *,
    given: dict[str, Any],
    command: Annotated[
        list[str] | None, typer.Argument(help="The command; {item} and {index} in it stand for a task's.")
    ] = None,
    map_: Annotated[
        str | None, typer.Option("--map", metavar="FILE|RANGE", help="The items: a line of a file each, or 0:60:10.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-w", help="How many machines. (default: 3)")] = None,
    setup: Annotated[str | None, typer.Option("--setup", help="What is done once at each machine.")] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", help="A file or folder to bring along. Can be given several times.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The directory for what comes back. (default: the job's name)")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="A pattern of files that come back, like '*.png'; else all.")
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
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with a job: what is done is done.")] = None,
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
    from golem_launcher.tasks import record
    from golem_launcher.tasks.job import job_in

    own = {
        "command": command, "map": map_, "workers": workers, "setup": setup, "files": file, "output": output,
        "keep": keep, "timeout": timeout, "attempts": attempts, "verify": verify, "check": check,
    }  # fmt: skip
    own = {name: value for name, value in own.items() if value not in (None, [])}
    if resume is not None:
        directory = record.find(resume)
        job = _changed(job_in(directory), given, own, directory)
    else:
        job = _new(job_file, given, own)
        directory = record.create(job.request.name, job.model_dump(mode="json"))
    outcome = asyncio.run(_carry_out(directory, job))
    if as_json:
        print_json(outcome)
    else:
        _print(outcome)
    if outcome["done"] < outcome["tasks"]:
        raise typer.Exit(FAILED)


def _new(job_file: Path | None, given: dict[str, Any], own: dict[str, Any]) -> Job:
    """The job that file and options ask for."""
    import shlex

    from golem_launcher.request import parse_request, yaml
    from golem_launcher.session import client
    from golem_launcher.tasks.job import items_of, parse_job

    values = {**(yaml.read(job_file) if job_file else {}), **given, **own}
    told = {name: values.pop(name) for name in _OF_FILE if name in values}
    command = told.get("command", ())
    if not command:
        raise RequestError("There is no command.", "Write it behind two dashes: golem-launcher run -- echo hello")
    request = {**values, "workload": "tasks", "machines": told.pop("workers", 3), "save": False}
    request |= {"inputs": _several(told.pop("files", ()))}
    items = items_of(str(told.pop("map"))) if "map" in told else ("",)
    request["machines"] = min(int(request["machines"]), len(items) * int(told.get("verify", 1)))
    asked = client.settled(parse_request(request))
    output = Path(told.pop("output", asked.name)).expanduser().absolute()
    job: dict[str, Any] = {**told, "items": items, "output": str(output), "request": asked}
    job["command"] = tuple(shlex.split(command)) if isinstance(command, str) else tuple(command)
    job["keep"] = _several(job.get("keep", ()))
    check = job.get("check", ())
    job["check"] = tuple(shlex.split(check)) if isinstance(check, str) else tuple(check)
    return parse_job(job)


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _changed(job: Job, given: dict[str, Any], own: dict[str, Any], directory: JobDirectory) -> Job:
    """The job with what is changed about it now: money, time, workers, patience."""
    from golem_launcher.request import parse_request
    from golem_launcher.tasks.job import parse_job

    changeable = {"workers", "timeout", "attempts"}
    if wrong := sorted(own.keys() - changeable):
        raise RequestError(
            f"--{wrong[0]} can't be changed of a job that was begun.", "Begin another job, under another --name."
        )
    request = job.request.model_dump(exclude={"name"}) | {"name": directory.name} | given
    if "workers" in own:
        request["machines"] = own.pop("workers")
    request["name"] = directory.name
    changed = parse_job({**job.model_dump(exclude={"request"}), **own, "request": parse_request(request)})
    directory.describe(changed.model_dump(mode="json"))
    return changed


async def _carry_out(directory: JobDirectory, job: Job) -> dict[str, Any]:
    """Do what is missing; what is to be told of it."""
    from golem_launcher.cli.job_view import JobView
    from golem_launcher.tasks.job import CommandTasks, setup_payload
    from golem_launcher.tasks.record import Record
    from golem_launcher.tasks.runner import Runner
    from golem_launcher.tasks.scheduler import Scheduler

    reason = ""
    with directory.held():
        done = {line.task for line in directory.lines() if line.kind == "done"}
        missing = [task for task in range(len(job.items)) if task not in done]
        view = JobView(job.labels, done=len(done))
        scheduler = Scheduler(missing, attempts=job.attempts, verify=job.verify)
        spent = _spent(directory)
        if missing:
            with contextlib.closing(Record(directory)) as record:
                request = _affordable(job, spent, len(missing))
                tasks = CommandTasks(job, record, view.told)
                runner = Runner(request, scheduler, tasks, incoming=directory.incoming, setup=setup_payload(job))
                with view:
                    reason = await _with_signals(runner, view)
        return _outcome(directory, job, scheduler, view, reason)


def _affordable(job: Job, spent: Decimal, missing: int) -> Any:
    """The request for what is missing, with the money that is left."""
    left = (job.request.budget - spent).quantize(_SMALLEST, ROUND_DOWN)
    if left <= 0:
        raise BudgetError(
            f"The job has cost {spent:.4f} GLM, which is all of its budget.", "Give it more: --resume … --budget …"
        )
    machines = min(job.request.machines, missing * job.verify)
    return job.request.model_copy(update={"budget": left, "machines": machines})


def _spent(directory: JobDirectory) -> Decimal:
    """What the job's sessions have cost that are over."""
    from golem_launcher.errors import SessionNotFound
    from golem_launcher.session import liveness
    from golem_launcher.session.directory import session_directory
    from golem_launcher.tasks.record import Line, Record

    costs = {line.session: Decimal(line.cost) for line in directory.lines() if line.kind == "cost"}
    with contextlib.suppress(SessionNotFound):
        session = session_directory(directory.name)
        state = session.state()
        known = costs.get(state.created_at.isoformat())
        if state.workload == "tasks" and not liveness.alive(session) and known != state.cost:
            with contextlib.closing(Record(directory)) as record:
                line = Line(kind="cost", session=state.created_at.isoformat(), cost=str(state.cost))
                record.add(line, sure=True)
            costs[line.session] = state.cost
    return sum(costs.values(), Decimal(0))


async def _with_signals(runner: Runner, view: JobView) -> str:
    """Run it; Ctrl-C ends it in order, a second one at once."""
    loop, working = asyncio.get_running_loop(), asyncio.ensure_future(runner.run())
    pressed = 0

    def on_signal() -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            view.say("Nothing more is begun; what runs is waited for. Ctrl-C again ends it at once.")
            runner.stop()
        else:
            working.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        while not working.done():
            view.session = runner.directory
            await asyncio.wait({working}, timeout=1.0)
        return "It was ended." if working.cancelled() or (pressed and not working.exception()) else working.result()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _outcome(directory: JobDirectory, job: Job, scheduler: Any, view: JobView, reason: str) -> dict[str, Any]:
    """What became of a job, for people and programs."""
    done = {line.task for line in directory.lines() if line.kind == "done"}
    labels = job.labels
    return {
        "job": directory.name,
        "output": job.output,
        "tasks": len(job.items),
        "done": len(done),
        "failed": {labels[task]: why for task, why in sorted(scheduler.failed.items()) if task not in done},
        "missing": [labels[task] for task in range(len(job.items)) if task not in done],
        "reason": reason,
        "cost": str(_spent(directory)),
        "providers": [
            {"id": provider, "name": one.provider, "done": one.done, "failed": one.failed,
             "seconds": round(one.seconds, 1), "left": scheduler.left.get(provider, "")}
            for provider, one in view.by_provider.items()
        ],
    }  # fmt: skip


def _print(outcome: dict[str, Any]) -> None:
    from golem_launcher.units import counted

    say(f"{outcome['done']} of {counted(outcome['tasks'], 'task')} done: {outcome['output']}")
    for one in outcome["providers"]:
        left = f" It was left: {one['left']}." if one["left"] else ""
        say(f"  {one['name']}: {one['done']} done, {one['failed']} failed, {one['seconds']} s of work.{left}")
    say(f"  Cost: {Decimal(outcome['cost']):.4f} GLM. See: golem-launcher bill {outcome['job']}")
    for label, why in list(outcome["failed"].items())[:20]:
        say(f"  {label} failed: {why}")
    if outcome["reason"]:
        say(f"It ended before all was done. {outcome['reason']}")
    if outcome["missing"]:
        say(f"Go on with what is missing: golem-launcher run --resume {outcome['job']}")
