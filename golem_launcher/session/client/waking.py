"""Wakes up a suspended session; ``python -m golem_launcher.session.client.waking NAME [HOURS]`` is the caretaker's way.

It costs no more than what was left of the session's budget, and ends when its time would have been over. More time is
for its user to say.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import (
    LauncherError,
    RequestError,
    SessionDamaged,
    SessionError,
    SessionNameTaken,
    UsedUp,
)
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.session.saving.saved_work import resuming, saves_into
from golem_launcher.session.suspension.suspension import gone_on_with, is_suspended, left_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_SECONDS_PER_HOUR = 3600
_LEAST_GLM, _LEAST_HOURS = Decimal("0.000001"), Decimal("0.0001")


def wake(name: str, asked: Mapping[str, Any]) -> SessionDirectory:
    """Wake up the session ``name`` and return at once; its state tells how it goes on.

    ``asked``: untyped values by field of its request: ``hours`` and ``budget`` take the place of what was left of
    them. Raises ``UsedUp`` when nothing was left and nothing is asked, ``SessionError`` when it is not suspended, and
    whatever starting a session does.
    """
    directory = session_directory(name)
    if not is_suspended(directory):
        stage = directory.state().stage.value
        raise SessionError(f"The session '{name}' is not suspended: it is {stage}.", f"See: golem-launcher show {name}")
    created_at = directory.state().created_at  # before its rest is reckoned: if another takes its place, it is missed
    return client.start(woken(directory, asked), instead_of=created_at)


@dataclass(frozen=True)
class Requested:
    """What ``start`` begins: a request, and the suspended session whose place the new one takes, if it does."""

    request: LaunchRequest
    instead_of: datetime | None = None
    """When the suspended session was created that it goes on with; ``None`` where it goes on with none."""


def requested(asked: dict[str, Any]) -> Requested:
    """A session that is ``asked`` for by untyped values; ``start`` begins it.

    Where it goes on with a suspended one it costs no more than what is left of that, and is as that was, but for what
    is asked for. Raises ``LauncherError``.
    """
    directory = gone_on_with(asked)
    if directory is None:
        return Requested(resuming(parse_request(asked)))
    return _in_place_of(directory, asked)


def going_on(request: LaunchRequest) -> Requested:
    """As :func:`requested`, of a ``request`` that was checked: what is set in it is what is asked for."""
    asked = {name: getattr(request, name) for name in request.model_fields_set}
    directory = gone_on_with(asked)
    return Requested(resuming(request)) if directory is None else _in_place_of(directory, asked)


def _in_place_of(directory: SessionDirectory, asked: Mapping[str, Any]) -> Requested:
    created_at = directory.state().created_at  # before its rest is reckoned
    return Requested(woken(directory, asked), created_at)


def woken(directory: SessionDirectory, asked: Mapping[str, Any]) -> LaunchRequest:
    """The request of the session that takes the place of a suspended one, with what its user ``asked`` for otherwise.

    ``asked``: untyped values by field. Raises ``LauncherError``.
    """
    name, what = directory.name, parked_address.of(directory.path)
    if alive(directory) or what is None or what.suspended is None:
        raise SessionNameTaken(f"The session '{name}' wakes up already.", f"See: golem-launcher show {name}")
    if directory.written_state() is None:
        raise SessionDamaged(
            f"The state of the session '{name}' is damaged, so it is not known what it would go on with.",
            "Look for its files: golem-launcher workspaces. A new session goes on with them: golem-launcher start "
            "--resume WORKSPACE --name NAME",
        )
    state, request = closed(directory), directory.request()
    goes_on: dict[str, Any] = {**asked, "name": name, "resume": None}
    if "budget" not in asked:
        goes_on["budget"] = _rest_of_budget(state, asked.get("network", request.network))
    if "hours" not in asked:
        goes_on["hours"] = _rest_of_time(name, what.suspended.ends)
    workspace = saves_into(directory)
    if workspace is not None:  # else it was empty, and is again
        _, at, number = str(asked.get("resume") or "").partition("@")
        goes_on |= {"resume": f"{workspace}{at}{number}", "inputs": asked.get("inputs", ())}
    return parse_request({**request.model_dump(), **goes_on})


def closed(directory: SessionDirectory) -> SessionState:
    """The state of a session that does not run, once it is known what it cost. Raises ``SessionError`` before that."""
    leftovers.close(directory, start_node=True)  # what it cost may be known only then
    if leftovers.may_cost_more(directory):
        raise SessionError(
            f"What '{directory.name}' left at its node is not closed down yet, so it is not known what is left of its "
            "budget.",
            "Try again once the node answers: golem-launcher doctor",
        )
    return directory.state()


def _rest_of_budget(state: SessionState, network: str) -> Decimal:
    if network != state.network:
        raise RequestError(f"What is left of '{state.name}' is of another network: say a budget.", field="budget")
    budget = rest_of(state)
    if budget <= 0:
        raise UsedUp(
            f"The budget of '{state.name}' is used up.",
            f"Go on with another one: golem-launcher wake {state.name} --budget 1",
            field="budget",
        )
    return budget


def rest_of(state: SessionState) -> Decimal:
    """What is left of a session's budget for the next one, in a budget's digits."""
    return left_of(state).quantize(_LEAST_GLM, ROUND_DOWN)


def _rest_of_time(name: str, ends: float) -> Decimal:
    """In hours."""
    left = ends - time.time()
    if left < parked_address.LEAST_SECONDS:
        raise UsedUp(
            f"The time of '{name}' is over.",
            f"Say at its link how much more it gets, or by: golem-launcher wake {name} --hours 1",
            field="hours",
        )
    return (Decimal(left) / _SECONDS_PER_HOUR).quantize(_LEAST_HOURS, ROUND_DOWN)


def main() -> int:
    """Wake up the session that the first argument names; a refusal is printed for whoever asked."""
    name, *hours = sys.argv[1:]
    try:
        wake(name, {"hours": hours[0]} if hours else {})
    except LauncherError as error:
        sys.stdout.buffer.write(str(error).encode())  # whatever the terminal's encoding is, from which all this began
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
