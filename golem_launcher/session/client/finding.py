"""Finds sessions, and waits for what is to happen to them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.errors import SessionDamaged, SessionError, SessionNotFound
from golem_launcher.session import timeouts
from golem_launcher.session.cleanup.housekeeping import RECALL_SECONDS
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import alive, strays

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import Saving, SessionState


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
        time.sleep(timeouts.POLL)
    return session_directory(name)


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
        time.sleep(timeouts.POLL)


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
