"""``golem-launcher start``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.output import Json, print_json, reports_errors, say
from golem_launcher.cli.request import takes_request
from golem_launcher.cli.sessions import progress, summary
from golem_launcher.errors import SessionError, SessionNotFound

if TYPE_CHECKING:
    from golem_launcher.events import SessionState
    from golem_launcher.session.directory import SessionDirectory

_LONGEST_START_SECONDS = 3600.0
_BEGIN_SECONDS = 4.0


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("start")(reports_errors(takes_request(start)))


def start(
    *,
    given: dict[str, Any],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A request in YAML; options given beside it win.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the workload answers, or it failed.")] = False,
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
    from golem_launcher.request import parse_request, yaml
    from golem_launcher.session import client
    from golem_launcher.session.image_and_packages import upload_of
    from golem_launcher.session.saved_work import resuming

    request = resuming(parse_request({**(yaml.read(file) if file else {}), **given}))
    client.check_name(request)
    upload = upload_of(request)
    if upload is not None:
        progress(upload.words)
    if request.standby:
        progress(
            "A standby is rented beside the first machine and paid likewise: about twice the price, within one budget. "
            "What it would be now: golem-launcher quote --standby 1"
        )
    try:
        directory = client.start(request)
        client.tidy()
        if wait:
            _wait_until_ready(directory)
        else:
            _look_whether_it_begins(directory)
    except KeyboardInterrupt:
        _say_what_goes_on(request.name)
        raise typer.Exit(1) from None
    if as_json:
        print_json({**summary(directory), "upload": upload.to_json() if upload is not None else None})
        return
    url, title = directory.url(), directory.workload().title
    if url:
        say(f"{title} of '{request.name}' answers at {url}")
    elif wait:
        say(f"{title} of '{request.name}' is ready. Reach it: golem-launcher tunnel {request.name}")
    else:
        say(f"Session '{request.name}' is starting. See it: golem-launcher show {request.name}")


def _say_what_goes_on(name: str) -> None:
    """After an interrupt: a session that was begun runs on, and costs money."""
    from golem_launcher.session import liveness
    from golem_launcher.session.directory import session_directory

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
    """Wait a moment for the supervisor's checks: what it refuses, the node say, is told by this command then."""
    from golem_launcher.events import Stage
    from golem_launcher.session import client

    client.wait_for(
        directory, lambda state: state.stage is not Stage.CHECKING or state.progress is not None, _BEGIN_SECONDS
    )
    state = directory.state()
    if state.stage is Stage.FAILED:
        raise SessionError(f"The session '{directory.name}' failed. {state.reason}")


def _wait_until_ready(directory: SessionDirectory) -> None:
    from golem_launcher.events import Stage
    from golem_launcher.session import client
    from golem_launcher.session.narration import Narration

    narration = Narration()

    def ready(state: SessionState) -> bool:
        for line in narration.lines(state):
            progress(line)
        return state.stage is Stage.READY

    state = client.wait_for(directory, ready, _LONGEST_START_SECONDS)
    if state is None:
        reason = directory.state().reason or "It did not become ready."
        raise SessionError(f"The session '{directory.name}' failed. {reason}")
