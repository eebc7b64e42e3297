"""What ``golem-launcher list`` prints: at once, however many sessions are over, as it loads and reads little."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from golem_launcher.cli.sessions.formatting import cost
from golem_launcher.cli.terminal.moment import moment
from golem_launcher.cli.terminal.printing import print_json, progress, say
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.errors import SessionNotFound
from golem_launcher.session.cleanup import housekeeping
from golem_launcher.session.on_disk.session_paths import SessionPaths, session_paths
from golem_launcher.session.on_disk.session_summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.session.on_disk.session_summary import SessionSummary

MOST_PAST = 20
_COLOURS = {
    "ready": "green", "failed": "red", "ended": "bright_black", "suspended": "cyan", "recovering": "yellow",
}  # fmt: skip
_HEAD = ("NAME", "STAGE", "NETWORK", "PROVIDER", "COST", "DEADLINE")
_LONGEST_PROVIDER = 24


def list_sessions(*, everything: bool = False, as_json: bool = False) -> None:
    """Print the sessions, the newest first: all that are not over, and of the others ``everything`` or the last."""
    lost = housekeeping.recall()
    housekeeping.tidy()
    places, more = _chosen(everything=everything)
    if as_json:
        print_json(_described(places))
    elif not places:
        say("There are no sessions. Start one: golem-launcher start --wait")
    else:
        print_sessions(_glances(places))
        if more:
            say(f"{more:,} more are over: golem-launcher list --all")
    for name, process in lost.items():
        progress(f"'{name}' runs without a directory, which can't be made again. End it: kill {process.pid}")


def _chosen(*, everything: bool) -> tuple[list[SessionPaths], int]:
    """The sessions to list, and how many there are beyond."""
    places = list(map(SessionPaths, session_paths()))
    if everything:
        return places, 0
    past = {place: at for place in places if (at := place.settled_at) is not None}
    left_out = set(sorted(past, key=lambda place: past[place], reverse=True)[MOST_PAST:])
    return [place for place in places if place not in left_out], len(left_out)


def _glances(places: Sequence[SessionPaths]) -> list[SessionSummary]:
    found = []
    for place in places:
        with contextlib.suppress(SessionNotFound):  # removed meanwhile
            found.append(summary(place))
    return found


def _described(places: Sequence[SessionPaths]) -> list[dict[str, object]]:
    from golem_launcher.session import client
    from golem_launcher.session.on_disk.directory import SessionDirectory

    found = []
    for place in places:
        with contextlib.suppress(SessionNotFound):
            found.append(client.describe(SessionDirectory(place.path)))
    return found


def print_sessions(found: Sequence[SessionSummary]) -> None:
    """A table of sessions, and what else is to be said of some of them."""
    rows = [
        (
            one.name,
            one.stage + (" (damaged)" if one.is_damaged else " (moving)" if one.is_moving else ""),
            one.network or "-",
            _provider(one),
            cost(one),
            moment(one.deadline) if one.deadline else "-",
        )
        for one in found
    ]
    show_table(_HEAD, rows, give_way=("PROVIDER", "NAME", "COST"), colours=_COLOURS)
    for one in found:
        if one.workspace not in {None, one.name}:
            say(f"{one.name} is saved in the workspace '{one.workspace}'.")
    for one in found:
        if one.trouble:
            say(f"{one.name}: {one.trouble}")


def _provider(one: SessionSummary) -> str:
    """At whom a session runs, in a few words: the head's provider, and how many others there are."""
    others = f" +{one.machines - 1}" if one.machines > 1 else ""
    return f"{one.provider or '-'}{others}"[:_LONGEST_PROVIDER]
