"""The commands for existing sessions: show, logs, open, save, extend, keep-running, stop, remove."""

from __future__ import annotations

import time
import webbrowser
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.session import Name, Which, number_of
from golem_launcher.cli.sessions.formatting import budget as most
from golem_launcher.cli.sessions.formatting import cost, session_lines
from golem_launcher.cli.terminal.command_io import (
    FAILED,
    Json,
    JsonLines,
    print_json,
    print_json_line,
    progress,
    reports_errors,
    say,
    waiting_for,
)
from golem_launcher.cli.terminal.moment import moment
from golem_launcher.errors import SessionError
from golem_launcher.events import STOPPED, Stage
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.units import counted, duration

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory

_FOLLOW_SECONDS = 0.25
_CARETAKER_SECONDS, _POLL_SECONDS = 10.0, 0.05
_MOST_NAMED = 20

_NAMED_OTHERWISE = {"open_session": "open", "keep_running": "keep-running"}


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (show, logs, open_session, save, extend, keep_running, stop, remove):
        name = _NAMED_OTHERWISE.get(command.__name__, command.__name__)
        app.command(name)(reports_errors(command))


def show(name: Name, *, as_json: Json = False) -> None:
    """Show all about one session.

    Examples:
    golem-launcher show my-lab
    golem-launcher show my-lab --json
    """
    from golem_launcher.session import client
    from golem_launcher.session.cleanup import housekeeping
    from golem_launcher.session.on_disk import liveness

    directory = client.find(name)
    housekeeping.tidy()
    if as_json:
        print_json(client.describe(directory))
        return
    state = liveness.state_of(directory)
    lines = session_lines(state, client.link(directory, state), client.view_only_url(directory, state))
    lines += [("damaged", name) for name in client.damaged(directory)]
    for title, text in lines:
        say(f"{title + ':':16}{text}")


def logs(
    name: Name,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the session ends.")] = False,
    machine: Which = None,
    as_json: JsonLines = False,
) -> None:
    """Print what happened to a session, and what its workload in the provider logged.

    Examples:
    golem-launcher logs my-lab
    golem-launcher logs my-lab -f
    golem-launcher logs my-lab --machine 2
    """
    from golem_launcher.session.on_disk import liveness
    from golem_launcher.session.on_disk.directory import session_directory

    directory = session_directory(name)
    log = directory.machine_log(1 if machine is None else number_of(directory.state(), machine))
    seen = (0, 0)
    while True:
        living = liveness.alive(directory)
        lines, seen = _log_since(directory, log, seen)
        while lines:
            for line in lines:
                if as_json:
                    print_json_line(line)
                else:
                    # A provider's lines are marked: it could print one that looks like the launcher's own.
                    say(f"{_clock(line['at'])}  {line['line']}" if "at" in line else f"| {line['line']}")
            lines, seen = _log_since(directory, log, seen)
        if not follow or not living:
            return
        time.sleep(_FOLLOW_SECONDS)


def _log_since(
    directory: SessionDirectory, log: Path, seen: tuple[int, int]
) -> tuple[list[dict[str, str]], tuple[int, int]]:
    """What both logs say beyond the offsets ``seen``: events (with their time), then a machine's ``log``."""
    from golem_launcher.session.on_disk.directory import read_lines

    events, events_end = directory.events(seen[0])
    lines, log_end = read_lines(log, seen[1])
    found = [{"at": event.at.isoformat(), "line": event.line} for event in events if event.line]
    found += [{"line": line.decode(errors="replace")} for line in lines]
    return found, (events_end, log_end)


def _clock(at: str) -> str:
    """A moment's time of day by the clock of this machine."""
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"


def open_session(name: Name, *, as_json: Json = False) -> None:
    """Open a session's JupyterLab, or its other workload, in the browser, and print its link.

    Example: golem-launcher open my-lab
    """
    from golem_launcher.session import client
    from golem_launcher.session.cleanup import housekeeping
    from golem_launcher.session.on_disk import parked_address

    directory = client.find(name)
    housekeeping.tidy()
    state, url = directory.state(), _answered_link(directory)
    if url is None and state.stage is Stage.SUSPENDED:
        raise SessionError(
            f"Another program has the address of '{name}'." if parked_address.is_squatted(directory.path)
            else f"Nobody answers at the address of '{name}' yet.",
            f"Go on: golem-launcher wake {name}",
        )  # fmt: skip
    if url is None:
        workload = directory.workload()
        if state.started_at is not None and workload.link is None:
            raise SessionError(f"{workload.title} has no pages.", f"Reach it: golem-launcher tunnel {name}")
        raise SessionError(
            f"The {workload.title} of '{name}' does not answer: the session is {state.stage.value}.",
            f"Go on with its files: golem-launcher start --resume {name}" if state.stage.final else "",
        )
    opened = webbrowser.open(url)
    if as_json:
        print_json({"name": name, "url": url, "opened": opened})
    else:
        say(url)


def _answered_link(directory: SessionDirectory) -> str | None:
    """A session's link; where it is suspended, once somebody of ours is at its address."""
    from golem_launcher.session import client
    from golem_launcher.session.on_disk import parked_address

    end = time.monotonic() + _CARETAKER_SECONDS
    while True:
        state = directory.state()
        url = client.link(directory, state)
        may_come = state.stage is Stage.SUSPENDED and not parked_address.is_squatted(directory.path)
        if url is not None or not may_come or time.monotonic() > end:
            return url
        time.sleep(_POLL_SECONDS)


def save(name: Name, *, as_json: Json = False) -> None:
    """Save a session's workspace now; while it runs that also happens by itself, every few seconds.

    Everything that can be saved is saved. What can't is named; when an end would lose it, the exit code is 1.

    Example: golem-launcher save my-lab
    """
    from golem_launcher.session import client
    from golem_launcher.workspace.repository.entry import shown

    directory = client.find(name)
    with waiting_for(lambda: _meanwhile(directory, f"Saving '{name}'")):
        saved = client.save(name)
    if as_json:
        print_json({"name": name, **saved})
    elif saved["generation"] is None:
        say(f"There is nothing to save yet: the workspace of '{name}' is empty.")
    else:
        left_out = saved["left_out"]
        more = f", {len(left_out):,} left out" if left_out else ""
        say(f"Saved '{saved['workspace']}' (save {saved['generation']}): {counted(saved['files'], 'file')}{more}.")
        for each in left_out[:_MOST_NAMED]:
            say(f"  {shown(each['path'])}: {each['reason']}")
        if len(left_out) > _MOST_NAMED:
            say(f"  and {len(left_out) - _MOST_NAMED:,} more: golem-launcher show {name} --json")
    if not as_json and saved["unsaved"]:
        say(saved["unsaved"])
    if saved.get("at_stake"):
        raise typer.Exit(FAILED)


def _meanwhile(directory: SessionDirectory, words: str) -> str:
    """What a session does while a command waits for it, and how far it is; ``words`` where that is not known."""
    from golem_launcher.session.reporting.progress_lines import meanwhile

    return meanwhile(directory.state())[0] or words


def extend(
    name: Name,
    *,
    hours: Annotated[str | None, typer.Option("--hours", help="So many hours more.", metavar="+HOURS")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="So much more of the network's coin.", metavar="+COINS")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a session that runs more time, more money, or both.

    Examples:
    golem-launcher extend my-lab --hours +1
    golem-launcher extend my-lab --hours +2 --budget +0.5
    """
    from golem_launcher.session import client

    state = client.extend(name, hours=with_point(hours or "0"), budget=with_point(budget or "0"))
    if as_json:
        print_json({"name": name, "deadline": state.deadline, "budget": state.budget})
    else:
        say(f"'{name}' ends at {moment(state.deadline)} and may cost {most(state)}.")


def keep_running(name: Name, *, as_json: Json = False) -> None:
    """Let a session go on that would be ended because nobody uses it (`start --idle`).

    Example: golem-launcher keep-running my-lab
    """
    from golem_launcher.session import client

    seconds = client.keep_running(name)
    if as_json:
        print_json({"name": name, "idle_seconds": seconds})
    elif seconds is None:
        say(f"'{name}' goes on; it does not end when nobody uses it.")
    else:
        say(f"'{name}' goes on. It is ended if nobody uses it for {duration(seconds)}.")


def stop(
    name: Name,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="End it at once, without a last save; kill what hangs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Save a session's workspace a last time, then end the session. What was not saved is gone afterwards.

    Examples:
    golem-launcher stop my-lab
    golem-launcher stop my-lab --force
    """
    from golem_launcher.session import client
    from golem_launcher.session.on_disk import liveness

    directory = client.find(name)
    if liveness.alive(directory):
        progress(f"Stopping '{name}' …")
    try:
        with waiting_for(lambda: _meanwhile(directory, f"'{name}' ends")):
            state = client.stop(name, force=force)
    except KeyboardInterrupt:
        progress(
            f"Not waiting any more; the session '{name}' goes on to its end. See it: golem-launcher show {name}. End "
            f"it at once: golem-launcher stop {name} --force"
        )
        raise typer.Exit(FAILED) from None
    if as_json:
        print_json(summary(directory))
    else:
        say(f"Session '{name}' is {state.stage.value}. It cost {cost(state)}.")
        if more := f"{state.reason.removeprefix(STOPPED)} {state.trouble}".strip():
            say(more)
        if state.saving is not None and state.saving.workspace != name:
            say(f"It is saved in the workspace '{state.saving.workspace}'; '{name}' leads there, too.")


def remove(name: Name, *, as_json: Json = False) -> None:
    """Take a session that is over off the list. Its saves are kept, and its cost stays in the ledger.

    Example: golem-launcher remove my-lab
    """
    from golem_launcher.session import client

    client.remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        say(f"'{name}' is off the list. What it saved is kept: golem-launcher workspaces")


def summary(directory: SessionDirectory) -> dict[str, Any]:
    """What scripts need of a session."""
    from golem_launcher.session import client

    value = client.describe(directory)
    return {key: value.get(key) for key in ("name", "stage", "reason", "url", "token", "provider", "network")}
