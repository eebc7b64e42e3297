"""Takes sessions off the list, and brings them back."""

from __future__ import annotations

import contextlib

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.session.cleanup import trash
from golem_launcher.session.on_disk.directory import SessionDirectory, session_directories, session_directory
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.session.on_disk.session_paths import sessions_locked
from golem_launcher.session.suspension import suspension


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
