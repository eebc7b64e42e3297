"""``golem-launcher start``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.request import takes_request
from golem_launcher.cli.options.session import Name  # noqa: TC001 - typer reads it
from golem_launcher.cli.sessions.one_session import summary
from golem_launcher.cli.terminal.command_io import Json, print_json, progress, reports_errors, say, waiting_for
from golem_launcher.errors import SessionError, SessionNotFound
from golem_launcher.networks import NETWORKS
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LONGEST_START_SECONDS = 3600.0
_BEGIN_SECONDS = 60.0
"""So long a provider is looked for until the command returns without one."""


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("start")(reports_errors(takes_request(start)))
    app.command("wake")(reports_errors(wake))


def start(
    *,
    given: dict[str, Any],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A request in YAML; options given beside it win.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the workload answers, or it failed.")] = False,
    trace_to: Annotated[
        str | None,
        typer.Option("--trace-to", metavar="URL", help="Send a trace of the start to this receiver of OTLP over HTTP."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start JupyterLab on a Golem provider.

    Examples:
    golem-launcher start --wait
    golem-launcher start --name my-lab --hours 2 --budget 0.5 --price 0.3
    golem-launcher start --software sklearn --package seaborn --input data/ --input https://github.com/me/work
    golem-launcher start --resume my-lab --cpus 4 --mem 8
    golem-launcher start -f request.yaml
    """
    from golem_launcher.request import yaml
    from golem_launcher.session import client
    from golem_launcher.session.client import waking
    from golem_launcher.session.preparation.image_and_packages import upload_of
    from golem_launcher.session.reporting import start_trace

    requested = waking.requested({**(yaml.read(file) if file else {}), **given})
    request = requested.request
    client.check_name(request)
    environment = None if trace_to is None else start_trace.environment(trace_to)
    upload = upload_of(request)
    if upload is not None:
        progress(upload.words)
    if request.standby:
        progress(
            "A standby is rented beside the first machine and paid likewise: about twice the price, within one budget. "
            "What it would be now: golem-launcher quote --standby 1"
        )
    network = NETWORKS[request.network]
    real = ", which is real money" if network.is_real_money else ""
    progress(f"It costs {with_coin(request.budget, network.token)} at most{real}.")
    directory = _begun(
        request.name,
        lambda: client.start(request, environment=environment, instead_of=requested.instead_of),
        wait=wait,
    )
    if as_json:
        print_json({**summary(directory), "upload": upload.to_json() if upload is not None else None})
        return
    _say_where(directory, wait=wait)


def wake(
    name: Name,
    *,
    hours: Annotated[
        str | None, typer.Option("--hours", help="For so long, in place of what was left of its time.", metavar="HOURS")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="So much at most, in place of what was left of its budget.", metavar="COINS"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the workload answers, or it failed.")] = False,
    as_json: Json = False,
) -> None:
    """Wake up a suspended session (`start --when-idle suspend`): it goes on at its own address, with everything.

    It costs no more than what was left of its budget. Opening its link does the same.

    Examples:
    golem-launcher wake my-lab
    golem-launcher wake my-lab --hours 2 --wait
    golem-launcher wake my-lab --budget 0.5
    """
    from golem_launcher.session.client import waking

    given = {field: with_point(value) for field, value in (("hours", hours), ("budget", budget)) if value is not None}
    directory = _begun(name, lambda: waking.wake(name, given), wait=wait)
    if as_json:
        print_json(summary(directory))
    else:
        _say_where(directory, wait=wait)


def _begun(name: str, begin: Callable[[], SessionDirectory], *, wait: bool) -> SessionDirectory:
    """The session that ``begin`` starts, once it answers, or it is known to begin. Raises ``LauncherError``."""
    from golem_launcher.session.cleanup import housekeeping

    try:
        directory = begin()
        housekeeping.tidy()
        if wait:
            _wait_until_ready(directory)
        else:
            _look_whether_it_begins(directory)
    except KeyboardInterrupt:
        _say_what_goes_on(name)
        raise typer.Exit(1) from None
    return directory


def _say_where(directory: SessionDirectory, *, wait: bool) -> None:
    name, url, title = directory.name, directory.url(), directory.workload().title
    if url:
        say(f"{title} of '{name}' answers at {url}")
    elif wait:
        say(f"{title} of '{name}' is ready. Reach it: golem-launcher tunnel {name}")
    else:
        say(f"Session '{name}' is starting. See it: golem-launcher show {name}")


def _say_what_goes_on(name: str) -> None:
    """After an interrupt: a session that was begun runs on, and costs money."""
    from golem_launcher.session.on_disk import liveness
    from golem_launcher.session.on_disk.directory import session_directory

    try:
        begun = liveness.alive(session_directory(name))
    except SessionNotFound:
        begun = False
    if begun:
        progress(
            f"Not waiting any more; the session '{name}' goes on. "
            f"See it: golem-launcher show {name}. End it: golem-launcher stop {name}"
        )
    else:
        progress("Interrupted; nothing was started.")


def _look_whether_it_begins(directory: SessionDirectory) -> None:
    """Wait until a provider is found: what comes before that, the node or that no offer fits say, is told here then."""
    from golem_launcher.events import Stage
    from golem_launcher.session import client

    # One that can't go on stops before it has failed.
    begins = {Stage.CHECKING, Stage.ALLOCATING, Stage.NEGOTIATING, Stage.STOPPING}
    with waiting_for("A provider is looked for"):
        client.wait_for(
            directory, lambda state: state.stage not in begins or state.progress is not None, _BEGIN_SECONDS
        )
    state = directory.state()
    if state.stage in {Stage.FAILED, Stage.SUSPENDED}:
        raise _failed(state)


def _wait_until_ready(directory: SessionDirectory) -> None:
    from golem_launcher.events import Stage
    from golem_launcher.session import client
    from golem_launcher.session.reporting.progress_lines import ProgressLines

    progress_lines = ProgressLines()

    def ready(state: SessionState) -> bool:
        for line in progress_lines.lines(state):
            progress(line)
        return state.stage is Stage.READY

    state = client.wait_for(directory, ready, _LONGEST_START_SECONDS)
    if state is None:
        raise _failed(directory.state())


def _failed(state: SessionState) -> SessionError:
    what = "is suspended again" if state.stage == "suspended" else "failed"
    return SessionError(f"The session '{state.name}' {what}. {state.reason or 'It did not become ready.'}")
