"""What commands that do jobs have in common: money that is left, Ctrl-C, and what is told at the end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from golem_launcher.cli.terminal.command_io import say
from golem_launcher.networks import token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.cli.jobs.job_view import JobView
    from golem_launcher.request import LaunchRequest
    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.payload import Payload
    from golem_launcher.tasks.record import JobDirectory, JobRecord
    from golem_launcher.tasks.runner import Runner
    from golem_launcher.tasks.scheduler import Scheduler
    from golem_launcher.tasks.task_source import TaskSource

    Told = Callable[[JobEvent], None]

Workers = Annotated[int | None, typer.Option("--workers", "-w", help="How many machines. (default: 3)")]
"""The option of every job, as the two that follow."""
Files = Annotated[
    list[str] | None, typer.Option("--file", help="A file or folder to bring along. Can be given several times.")
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", help="The directory for what comes back. (default: the job's name)")
]


class AnyJob(Protocol):
    """What a job of any kind says of itself."""

    @property
    def request(self) -> LaunchRequest:
        """What is asked of the machines."""

    @property
    def output(self) -> str:
        """The directory for what comes back."""

    @property
    def labels(self) -> Sequence[str]:
        """What each task is called, by its index, in tables and messages."""

    @property
    def attempts(self) -> int:
        """How often a task is tried."""

    @property
    def verify(self) -> int:
        """How many providers must come to the same result."""

    def model_dump(self, *, mode: str = "python", exclude: set[str] | None = None) -> dict[str, Any]:
        """Its fields: it is a model of pydantic's."""


_Kind = TypeVar("_Kind", bound=AnyJob)


@dataclass(frozen=True)
class Work:
    """A job that is to be done, or finished."""

    directory: JobDirectory
    job: AnyJob
    source: Callable[[JobRecord, Told, Callable[[], None]], TaskSource]
    """Makes the source of its tasks, with whom to tell what happens, and how it stops the job in order."""
    setup: Payload | None = None


def changed(
    job: _Kind, given: dict[str, Any], own: dict[str, Any], directory: JobDirectory, parse: Callable[..., _Kind]
) -> _Kind:
    """The job with what is changed about it now: ``given`` of its request, ``own`` of itself."""
    from golem_launcher.request import parse_request

    request = job.request.model_dump() | given
    if "workers" in own:
        request["machines"] = own.pop("workers")
    request["name"] = directory.name
    return parse({**job.model_dump(exclude={"request"}), **own, "request": parse_request(request)})


async def carry_out(work: Work) -> dict[str, Any]:
    """Do what is missing; what is to be told of it."""
    from golem_launcher.cli.jobs.job_view import JobView
    from golem_launcher.tasks import result_files, spending
    from golem_launcher.tasks.attempts import AttemptLines
    from golem_launcher.tasks.record import JobRecord
    from golem_launcher.tasks.runner import Runner
    from golem_launcher.tasks.scheduler import Scheduler

    reason, directory, job = "", work.directory, work.job
    with directory.held():
        await asyncio.to_thread(result_files.clear, Path(job.output), job.labels)
        done = {line.task for line in directory.lines() if line.kind == "done"}
        missing = [task for task in range(len(job.labels)) if task not in done]
        view = JobView(list(job.labels), token_of(job.request.network), done=len(done))
        scheduler = Scheduler(missing, attempts=job.attempts, verify=job.verify)
        if missing:
            left = functools.partial(spending.left, directory, job.request)
            budget = await asyncio.to_thread(left)
            directory.describe(job.model_dump(mode="json"))  # as it was changed, once nothing can refuse that
            machines = min(job.request.machines, len(missing) * job.verify)
            request = job.request.model_copy(update={"budget": budget, "machines": machines})
            with contextlib.closing(JobRecord(directory)) as record:
                view.cap = request.budget
                tell_all = _both(AttemptLines(record).told, view.told)
                source = work.source(record, tell_all, lambda: runner.stop())  # noqa: PLW0108 - it is made below
                runner = Runner(request, scheduler, source, incoming=directory.incoming, setup=work.setup, left=left)
                with view:
                    reason = await _until_stopped(runner, view, directory)
        return await asyncio.to_thread(_outcome, directory, job, scheduler, view, reason)


def _both(first: Told, second: Told) -> Told:
    def told(happened: JobEvent) -> None:
        first(happened)
        second(happened)

    return told


async def _until_stopped(runner: Runner, view: JobView, directory: JobDirectory) -> str:
    """Run it; Ctrl-C or the page's Stop ends it in order, a second Ctrl-C at once."""
    loop, working = asyncio.get_running_loop(), asyncio.ensure_future(runner.run())
    stopped = ""

    def stop(why: str) -> None:
        nonlocal stopped
        stopped = why
        runner.stop()

    def on_signal() -> None:
        if stopped:
            working.cancel()
            return
        view.say("Nothing more is begun; what runs is waited for. Ctrl-C again ends it at once.")
        stop("Ctrl-C, or a signal, ended it.")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        while not working.done():
            view.session = runner.directory
            await asyncio.wait({working}, timeout=1.0)
            if not stopped and await asyncio.to_thread(lambda: directory.stop_asked):
                view.say("The page asked to stop: nothing more is begun; what runs is waited for.")
                stop("It was stopped from the page.")
        return stopped if working.cancelled() or (stopped and not working.exception()) else working.result()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _outcome(directory: JobDirectory, job: AnyJob, scheduler: Scheduler, view: JobView, reason: str) -> dict[str, Any]:
    """What became of a job, for people and programs. Blocking."""
    from golem_launcher.tasks import spending

    done = {line.task for line in directory.lines() if line.kind == "done"}
    labels = job.labels
    return {
        "job": directory.name,
        "output": job.output,
        "tasks": len(job.labels),
        "done": len(done),
        "failed": {labels[task]: why for task, why in sorted(scheduler.failed.items()) if task not in done},
        "missing": [labels[task] for task in range(len(job.labels)) if task not in done],
        "reason": reason if len(done) < len(job.labels) else "",
        "cost": str(spending.spent(directory)),
        "coin": token_of(job.request.network),
        "providers": [
            {"id": provider, "name": one.provider, "done": one.done, "failed": one.failed,
             "seconds": round(one.seconds, 1), "left": scheduler.left.get(provider, "")}
            for provider, one in view.by_provider.items()
        ],
    }  # fmt: skip


def tell(outcome: dict[str, Any], command: str) -> None:
    """Print what became of a job, for a person; ``command`` goes on with it."""
    from golem_launcher.units import counted

    say(f"{outcome['done']} of {counted(outcome['tasks'], 'task')} done: {outcome['output']}")
    for one in outcome["providers"]:
        left = f" It was left: {one['left']}." if one["left"] else ""
        say(f"  {one['name']}: {one['done']} done, {one['failed']} failed, {one['seconds']} s of work.{left}")
    say(f"  Cost: {Decimal(outcome['cost']):.4f} {outcome['coin']}. See: golem-launcher bill {outcome['job']}")
    for label, why in list(outcome["failed"].items())[:20]:
        say(f"  Task {label} failed: {why}")
    if outcome["reason"]:
        say(f"It ended before all was done. {outcome['reason']}")
    if outcome["missing"]:
        say(f"Go on with what is missing: golem-launcher {command} --resume {outcome['job']}")
