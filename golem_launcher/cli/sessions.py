"""Commands about the sessions: start, list, show, logs, open, stop."""

from __future__ import annotations

import sys
import time
import webbrowser
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.output import print_json, reports_errors, say
from golem_launcher.errors import SessionError

if TYPE_CHECKING:
    from golem_launcher.events import SessionState
    from golem_launcher.session.directory import SessionDirectory

_LONGEST_START_SECONDS = 3600.0
_FOLLOW_SECONDS = 0.25

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Name = Annotated[str, typer.Argument(help="The session's name; see `golem-launcher list`.")]


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (start, list_sessions, show, logs, open_session, stop):
        name = {"list_sessions": "list", "open_session": "open"}.get(command.__name__, command.__name__)
        app.command(name)(reports_errors(command))


def start(
    *,
    name: Annotated[str | None, typer.Option(help="Small letters, digits, dashes. Chosen when left out.")] = None,
    network: Annotated[str | None, typer.Option(help="Where to look for a provider. [default: local]")] = None,
    budget: Annotated[str | None, typer.Option(help="The most it may ever cost, in GLM. [default: 1]")] = None,
    hours: Annotated[str | None, typer.Option(help="It ends by itself after this time. [default: 1]")] = None,
    cpus: Annotated[str | None, typer.Option(help="Cores at least. [default: 1]")] = None,
    mem: Annotated[str | None, typer.Option(help="GiB of memory at least. [default: 1]")] = None,
    disk: Annotated[str | None, typer.Option(help="GiB of disk at least. [default: 2]")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A request in YAML; options given beside it win.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when JupyterLab answers, or it failed.")] = False,
    as_json: Json = False,
) -> None:
    """Start JupyterLab on a Golem provider.

    Examples:  golem-launcher start --wait  |  golem-launcher start --name my-lab --hours 2 --budget 0.5  |
    golem-launcher start -f request.yaml
    """
    from golem_launcher.request import parse_request, yaml
    from golem_launcher.session import client

    fields = {
        "name": name, "network": network, "budget": budget, "hours": hours,
        "cpus": cpus, "memory_gib": mem, "disk_gib": disk,
    }  # fmt: skip
    given = {field: value for field, value in fields.items() if value is not None}
    request = parse_request({**(yaml.read(file) if file else {}), **given})
    directory = client.start(request)
    client.tidy()
    if wait:
        _wait_until_ready(directory)
    if as_json:
        print_json(_summary(directory))
        return
    url = directory.url()
    if url:
        say(f"JupyterLab of '{request.name}' answers at {url}")
    else:
        say(f"Session '{request.name}' is starting. See it: golem-launcher show {request.name}")


def list_sessions(*, as_json: Json = False) -> None:
    """List the sessions, the newest first.

    Examples:  golem-launcher list  |  golem-launcher list --json
    """
    from golem_launcher.session import client
    from golem_launcher.session.directory import session_directories

    client.tidy()
    found = [client.describe(directory) for directory in session_directories()]
    if as_json:
        print_json(found)
    elif not found:
        say("There are no sessions. Start one: golem-launcher start --wait")
    else:
        _print_table(found)


def show(name: Name, *, as_json: Json = False) -> None:
    """Show all about one session.

    Examples:  golem-launcher show my-lab  |  golem-launcher show my-lab --json
    """
    from golem_launcher.session import client
    from golem_launcher.session.directory import session_directory

    directory = session_directory(name)
    client.tidy()
    value = client.describe(directory)
    if as_json:
        print_json(value)
        return
    for key in _SHOWN:
        if value.get(key) not in {None, ""}:
            say(f"{key.replace('_', ' ') + ':':16}{value[key]}")


def logs(
    name: Name,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the session ends.")] = False,
    as_json: Json = False,
) -> None:
    """Print what happened to a session, and what JupyterLab in the provider logged.

    Examples:  golem-launcher logs my-lab  |  golem-launcher logs my-lab -f
    """
    from golem_launcher.session import client
    from golem_launcher.session.directory import session_directory

    directory = session_directory(name)
    seen = (0, 0)
    while True:
        living = client.alive(directory)
        lines, seen = _log_since(directory, seen)
        while lines:
            for line in lines:
                if as_json:
                    print_json(line)
                else:
                    say(f"{line['at'][11:19]}  {line['line']}" if "at" in line else line["line"])
            lines, seen = _log_since(directory, seen)
        if not follow or not living:
            return
        time.sleep(_FOLLOW_SECONDS)


def _log_since(directory: SessionDirectory, seen: tuple[int, int]) -> tuple[list[dict[str, str]], tuple[int, int]]:
    """What both logs say beyond the offsets ``seen``: events (with their time), then lines of the Lab."""
    from golem_launcher.session.directory import read_lines

    events, events_end = directory.events(seen[0])
    lines, lab_end = read_lines(directory.lab_log, seen[1])
    found = [{"at": event.at.isoformat(), "line": event.line} for event in events if event.line]
    found += [{"line": line.decode(errors="replace")} for line in lines]
    return found, (events_end, lab_end)


def open_session(name: Name, *, as_json: Json = False) -> None:
    """Open a session's JupyterLab in the browser, and print its link.

    Examples:  golem-launcher open my-lab
    """
    from golem_launcher.session.directory import session_directory

    directory = session_directory(name)
    url = directory.url()
    if url is None:
        stage = directory.state().stage.value
        raise SessionError(f"The JupyterLab of '{name}' does not answer: the session is {stage}.")
    opened = webbrowser.open(url)
    if as_json:
        print_json({"name": name, "url": url, "opened": opened})
    else:
        say(url)


def stop(
    name: Name,
    *,
    force: Annotated[bool, typer.Option("--force", help="Do not wait for good manners; kill what hangs.")] = False,
    as_json: Json = False,
) -> None:
    """End a session: its files in the provider are gone afterwards.

    Examples:  golem-launcher stop my-lab  |  golem-launcher stop my-lab --force
    """
    from golem_launcher.session import client
    from golem_launcher.session.directory import session_directory

    directory = session_directory(name)
    if client.alive(directory):
        _progress(f"Stopping '{name}' …")
    state = client.stop(name, force=force)
    if as_json:
        print_json(_summary(directory))
    else:
        say(f"Session '{name}' is {state.stage.value}. It cost {state.cost.normalize():f} GLM.")


_SHOWN = (
    "name", "stage", "reason", "network", "provider", "url", "cost", "budget", "price_per_hour", "created_at",
    "started_at", "deadline", "ended_at", "allocation_id", "agreement_id", "activity_id",
)  # fmt: skip


def _summary(directory: SessionDirectory) -> dict[str, Any]:
    from golem_launcher.session import client

    value = client.describe(directory)
    return {key: value.get(key) for key in ("name", "stage", "reason", "url", "token", "provider", "network")}


def _wait_until_ready(directory: SessionDirectory) -> None:
    from golem_launcher.events import Stage
    from golem_launcher.session import client

    told: list[str] = []

    def ready(state: SessionState) -> bool:
        if state.stage.value not in told:
            told.append(state.stage.value)
            _progress(f"{directory.name}: {state.stage.value} …")
        return state.stage is Stage.READY

    try:
        state = client.wait_for(directory, ready, _LONGEST_START_SECONDS)
    except KeyboardInterrupt:
        _progress(
            f"Not waiting any more; the session '{directory.name}' goes on. "
            f"See it: golem-launcher show {directory.name}. End it: golem-launcher stop {directory.name}"
        )
        raise typer.Exit(1) from None
    if state is None:
        reason = directory.state().reason or "it did not become ready"
        raise SessionError(f"The session '{directory.name}' failed. {reason}")


def _print_table(found: list[dict[str, Any]]) -> None:
    rows = [("NAME", "STAGE", "NETWORK", "PROVIDER", "COST", "DEADLINE")]
    rows += [
        (
            str(value["name"]), str(value["stage"]), str(value["network"]), str(value["provider"] or "-")[:24],
            str(value["cost"])[:10], str(value["deadline"] or "-")[:16].replace("T", " "),
        )
        for value in found
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
