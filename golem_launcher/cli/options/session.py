"""Which session a command is about, and which of its machines: an argument, an option, and the number that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.cli.options.completion import session_names
from golem_launcher.errors import RequestError
from golem_launcher.suggestions import did_you_mean

if TYPE_CHECKING:
    from golem_launcher.session_state import SessionState

Name = Annotated[
    str, typer.Argument(help="The session's name; see `golem-launcher list`.", autocompletion=session_names)
]
Which = Annotated[
    str | None,
    typer.Option("--machine", help="Of several machines, which: its number or its provider's name; else the first."),
]


def number_of(state: SessionState, which: str | None) -> int:
    """The number of the machine that is meant. Raises ``RequestError`` for one that is not there."""
    if which is None:
        return 1
    if which.isdecimal():  # a provider that is named like a number is no other's
        found = [one.number for one in state.machines if str(one.number) == which]
    else:
        found = [one.number for one in state.machines if one.provider_name == which]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.name for one in state.machines) or "none yet"
    what = "Several machines are called" if found else "There is no machine"
    meant = did_you_mean(which, (one.provider_name for one in state.machines if one.provider_name))
    remedy = f"{meant} Its machines are: {known}.".strip()
    raise RequestError(f"{what} '{which}' in '{state.name}'.", remedy, field="machine")
