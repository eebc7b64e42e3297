"""Wakes up a suspended session; ``python -m golem_launcher.session.waking NAME [HOURS]`` does it for the caretaker.

It costs no more than what was left of the session's budget, and ends when its time would have been over. More time is
for its user to say.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.request import parse_request
from golem_launcher.session import client, parked
from golem_launcher.session.directory import session_directory
from golem_launcher.session.saved_work import saves_into
from golem_launcher.session.suspension import is_suspended, left_of

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.directory import SessionDirectory

_SECONDS_PER_HOUR = 3600
_LEAST_GLM, _LEAST_HOURS = Decimal("0.000001"), Decimal("0.0001")


def wake(name: str, hours: str | None = None) -> SessionDirectory:
    """Wake up the session ``name`` and return at once; its state tells how it goes on.

    ``hours``: for how long, instead of what was left of its time. Raises ``SessionError`` when it is not suspended, or
    has no time or money left, and whatever starting a session does.
    """
    directory = session_directory(name)
    if not is_suspended(directory):
        stage = directory.state().stage.value
        raise SessionError(f"The session '{name}' is not suspended: it is {stage}.", f"See: golem-launcher show {name}")
    return client.start(woken(directory, hours))


def woken(directory: SessionDirectory, hours: str | None) -> LaunchRequest:
    """The request of the session that takes the place of a suspended one. Raises ``LauncherError``."""
    name, state = directory.name, directory.state()
    budget = left_of(state).quantize(_LEAST_GLM, ROUND_DOWN)
    if budget <= 0:
        raise SessionError(
            f"The budget of '{name}' is used up.",
            f"Go on with another one: golem-launcher start --resume {name} --budget 1",
        )
    if hours is None:
        left = (state.deadline - datetime.now(UTC)).total_seconds() if state.deadline is not None else 0.0
        if left < parked.LEAST_SECONDS:
            raise SessionError(
                f"The time of '{name}' is over.",
                f"Say at its link how much more it gets, or by: golem-launcher wake {name} --hours 1",
            )
        hours = str((Decimal(left) / _SECONDS_PER_HOUR).quantize(_LEAST_HOURS, ROUND_DOWN))
    request = directory.request()
    goes_on: dict[str, Any] = {"budget": budget, "hours": hours}
    workspace = saves_into(directory)
    if workspace is not None:  # else it was empty, and is again
        goes_on |= {"resume": workspace, "inputs": ()}
    return parse_request({**request.model_dump(), **goes_on})


def main() -> int:
    """Wake up the session that the first argument names; a refusal is printed for whoever asked."""
    name, *hours = sys.argv[1:]
    try:
        wake(name, *hours)
    except LauncherError as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
