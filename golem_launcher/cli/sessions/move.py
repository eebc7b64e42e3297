"""``golem-launcher move``: a session goes on at another machine, with everything."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.request import takes_request
from golem_launcher.cli.options.session import Name  # noqa: TC001 - typer reads it
from golem_launcher.cli.sessions.one_session import summary
from golem_launcher.cli.terminal.command_io import (
    FAILED,
    LOOKING,
    Json,
    print_json,
    progress,
    reports_errors,
    say,
    waiting_for,
)
from golem_launcher.errors import SessionError
from golem_launcher.request.another_machine import MOVABLE
from golem_launcher.request.fields import NAMES
from golem_launcher.units import coins, duration

if TYPE_CHECKING:
    from golem_launcher.market.quote import Quote
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import MoveState

_TELL_SECONDS = 2.0
_SECONDS_PER_HOUR = 3600


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    others = [name for name in NAMES if name not in MOVABLE]
    app.command("move")(reports_errors(takes_request(move, without=others, unsaid="as it is at present")))


def move(
    name: Name,
    *,
    given: dict[str, Any],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether the price is right.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for cells that run: they end.")] = False,
    as_json: Json = False,
) -> None:
    """Go on at another machine, with files, packages, notebooks' variables and open tabs, at the same address.

    The present machine works on until the other one is ready; should that fail, the session goes on where it is.

    Name what should differ; with no options it looks for another machine like the present one.

    Examples:
    golem-launcher move my-lab --gpus 1 --mem 16
    golem-launcher move my-lab --gpus 0 --cpus 2 --price 0.1 --yes
    golem-launcher move my-lab --deny slow-provider
    """
    from golem_launcher.session import client
    from golem_launcher.session.on_disk.directory import session_directory

    directory = session_directory(name)
    if not yes:
        _agree(directory, given)
    number = client.move(name, given, now=now)
    try:
        state = client.await_move(name, number, _Telling(name))
    except KeyboardInterrupt:
        progress(f"Not waiting any more; '{name}' is still moving. See how far it is: golem-launcher show {name}")
        raise typer.Exit(FAILED) from None
    if as_json:
        print_json({**summary(directory), "move": None if state.move is None else state.move.model_dump(mode="json")})
    else:
        say(f"'{name}' goes on at {state.head.provider_name}. {directory.url() or ''}".rstrip())


def _agree(directory: SessionDirectory, given: dict[str, Any]) -> None:
    """Show what the other machine would cost, and ask. Raises ``SessionError`` when there is none, or nobody to ask."""
    from golem_launcher.session import client

    with waiting_for(LOOKING):
        found, state = client.quote_of_move(directory.name, given), directory.state()
    if found.per_hour is None or found.start is None:
        advice = " ".join(one.text for one in found.advice)
        raise SessionError(f"No other machine fits. {advice}".rstrip(), "See what there is: golem-launcher offers")
    at_present = f"{coins(state.price_per_hour)} at present" if state.price_per_hour is not None else "not known yet"
    progress(f"an hour:   {coins(found.per_hour)} {found.token} at full load; {at_present}")
    progress(f"in all:    {_in_all(found)}")
    progress(f"machines:  {', '.join(found.providers)}; {found.fitting} fit")
    progress("Both machines are paid until the other one is ready; never more than the budget.")
    if not sys.stdin.isatty():
        raise SessionError("Nobody is there to say yes to the price.", "Say it beforehand: --yes")
    if not typer.confirm(f"Move '{directory.name}'?", err=True):
        raise typer.Exit(FAILED)


def _in_all(found: Quote) -> str:
    left = duration(float(found.hours) * _SECONDS_PER_HOUR)
    whole = f"{coins(found.whole)} {found.token} more for the {left} that are left" if found.whole is not None else ""
    lasts = "" if found.enough or found.lasts_hours is None else (
        f"; what is left of the budget, {coins(found.budget)}, lasts {duration(found.lasts_hours * _SECONDS_PER_HOUR)}"
    )  # fmt: skip
    return whole + lasts


class _Telling:
    """Says how far a move is: each step once, and how far a long one is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[str] = set()
        self._at = time.monotonic()

    def __call__(self, move: MoveState) -> None:
        step = f"{move.stage} {move.provider_name}"
        late = move.progress is not None and time.monotonic() - self._at > _TELL_SECONDS
        if step not in self._told or late:
            self._told.add(step)
            self._at = time.monotonic()
            progress(f"{self._name}: {move.words}")
