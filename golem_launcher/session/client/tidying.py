"""Takes sessions off the list and brings them back, and closes down what dead supervisors left behind."""

from __future__ import annotations

import contextlib
import os

from golem_launcher.errors import LauncherError, SessionError, SessionNotFound
from golem_launcher.session import caretaker, leftovers, suspension, trash
from golem_launcher.session.directory import SessionDirectory, session_directories, session_directory, sessions_locked
from golem_launcher.session.liveness import alive


def tidy() -> list[str]:
    """Have all as it is to be between commands: :func:`close_dead`, and a caretaker where addresses are parked.

    Called by every command and page that shows or starts sessions: this computer may have been started since.
    """
    with contextlib.suppress(OSError):
        caretaker.begin(os.environ)
    return close_dead()


def close_dead() -> list[str]:
    """Close down what dead supervisors left, as far as their nodes run; the names of the sessions concerned.

    Starts nothing.
    """
    with sessions_locked():  # none is half started now
        dead = [directory for directory in session_directories() if not alive(directory)]
        dead += [directory for directory in trash.kept() if leftovers.owes(directory)]
    closed = []
    for directory in dead:
        with contextlib.suppress(SessionNotFound, OSError):  # removed meanwhile, or can't be written: the others count
            if leftovers.close(directory, start_node=False):
                closed.append(directory.state().name)
    return closed


def end_caretaker() -> None:
    """Have nobody answer at parked addresses, nor wake a session up there, until :func:`tidy`; none is half begun."""
    with sessions_locked():
        caretaker.end()


def remove(name: str) -> str:
    """Take a session that is over off the list; the word that :func:`bring_back` takes.

    Its files are kept for a while, among the last that were removed or replaced. Raises ``SessionError`` while the
    session lives, and ``SessionNotFound``.
    """
    with sessions_locked():
        directory = session_directory(name)
        if alive(directory):
            raise SessionError(f"The session '{name}' is alive.", f"End it first: golem-launcher stop {name}")
        return trash.put(directory)


def remove_past() -> list[str]:
    """:func:`remove` all sessions that are over, but for suspended ones.

    Their words, the newest first, as far as they can be brought back.
    """
    with sessions_locked():
        removed = []
        for directory in reversed(list(session_directories())):
            if not directory.state().stage.final or suspension.is_suspended(directory) or alive(directory):
                continue
            with contextlib.suppress(LauncherError, OSError):  # it stays on the list; the others count
                removed.append(trash.put(directory))
        kept = {directory.path.name for directory in trash.kept()}
    return [word for word in reversed(removed) if word in kept]


def bring_back(removed: str) -> SessionDirectory:
    """Undo :func:`remove`. Raises ``SessionNameTaken`` when there is another of that name by now."""
    with sessions_locked():
        return trash.bring_back(removed)
