"""Finds sessions and says how they stand, to whoever looks on or waits."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths, processes
from golem_launcher.errors import SessionDamaged, SessionError, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import FILE, Journal
from golem_launcher.session import parked
from golem_launcher.session.directory import session_directory
from golem_launcher.session.liveness import SUPERVISOR_FILE, alive, state_of, strays
from golem_launcher.session.upkeep import RECALL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session_state import Saving, SessionState

_POLL_SECONDS = 0.05


def find(name: str, seconds: float = RECALL_SECONDS) -> SessionDirectory:
    """The session ``name``, also when its directory was taken from under its supervisor, which makes it again then.

    Raises ``SessionNotFound``, and ``SessionError`` when that does not come within ``seconds``.
    """
    with contextlib.suppress(SessionNotFound):
        return session_directory(name)
    end = time.monotonic() + seconds
    while name in strays():
        if time.monotonic() > end:
            raise SessionError(
                f"The session '{name}' runs, but its directory is gone and can't be made again.",
                f"Check that {paths.sessions_directory()} can be written to. A signal ends it: "
                f"kill {strays()[name].pid}",
            )
        time.sleep(_POLL_SECONDS)
    return session_directory(name)


def describe(directory: SessionDirectory) -> dict[str, Any]:
    """A session as one JSON object: its state and, while it is ready, the link."""
    state = state_of(directory)
    value = state.model_dump(mode="json")
    value["url"] = link(directory, state)
    value["token"] = directory.token() if value["url"] else None
    value["provider"] = state.head.provider_name
    value["alive"] = alive(directory)
    value["damaged"] = damaged(directory)
    value["left_out"] = directory.left_out()
    value["gpu_differences"] = list(state.head.gpu_differences)
    value["workspace"] = state.saving.workspace if state.saving is not None else None
    return value


def link(directory: SessionDirectory, state: SessionState) -> str | None:
    """The link that opens a session's workload, with its token, for its user to see; ``None`` while there is none.

    Of a suspended one only while the caretaker is at its address: another program could have taken that since, and
    would be told the token.
    """
    url = directory.url_in(state)
    return None if state.stage is Stage.SUSPENDED and not parked.is_answered(directory.path) else url


def damaged(directory: SessionDirectory) -> list[str]:
    """Which of a session's files can't be read; what is missing since it was only begun is not damaged."""
    found = []
    if directory.written_state() is None:
        found.append("state.json")
    try:
        directory.request()
    except SessionDamaged:
        found.append("request.json")
    if (directory.path / FILE).exists() and Journal.read(directory.path) is None:
        found.append(FILE)
    written = files.read_json(directory.path / SUPERVISOR_FILE)
    if (directory.path / SUPERVISOR_FILE).exists() and processes.ProcessRecord.from_json(written) is None:
        found.append(SUPERVISOR_FILE)
    return found


def saving_of(directory: SessionDirectory) -> Saving:
    """How the saves of a session stand. Raises ``SessionError`` when there are none, or it is not known of any."""
    saving = directory.state().saving
    if saving is not None and saving.generation is not None:
        return saving
    if directory.written_state() is None:
        raise SessionDamaged(
            f"The state of the session '{directory.name}' is damaged, so it is not known where it was saved.",
            "Look for it: golem-launcher workspaces",
        )
    raise SessionError(f"Nothing of the session '{directory.name}' is saved.")


def wait_for(
    directory: SessionDirectory, predicate: Callable[[SessionState], bool], deadline: float
) -> SessionState | None:
    """Wait until ``predicate`` is true of the state, at most ``deadline`` seconds; ``None`` when it never was.

    Raises ``SessionError`` when the supervisor dies meanwhile.
    """
    end = time.monotonic() + deadline
    while True:
        living = alive(directory)
        state = directory.state()
        if predicate(state):
            return state
        if not living and not state.stage.final:
            raise _died(directory)
        if time.monotonic() > end or state.stage.final:
            return None
        time.sleep(_POLL_SECONDS)


def followed(directory: SessionDirectory) -> SessionState:
    """The state of a session that somebody waits for.

    Raises ``SessionError`` when its supervisor died before its end.
    """
    living = alive(directory)  # before its state is read: it may end between the two
    state = directory.state()
    if not living and not state.stage.final:
        raise _died(directory)
    return state


def _died(directory: SessionDirectory) -> SessionError:
    return SessionError(
        f"The supervisor of '{directory.name}' died.",
        f"See {directory.supervisor_log}; golem-launcher stop {directory.name} closes down what it left.",
    )
