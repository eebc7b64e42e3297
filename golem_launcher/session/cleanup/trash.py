"""Sessions that were removed or replaced: the last of them are kept for a while, so that it can be undone.

Who calls holds the lock of the sessions' directory. Everything here blocks.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime

from golem_launcher import paths
from golem_launcher.errors import SessionNameTaken, SessionNotFound
from golem_launcher.session.cleanup import deleted_bills, leftovers
from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.session.on_disk.session_paths import ASIDE, STAMP_LENGTH, is_session, paths_aside

_KEEP = 20


def word_for(name: str) -> str:
    """A new word for a session of that name, by which it is known here."""
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"


def name_in(word: str) -> str:
    """The name of the session that :func:`word_for` made this word for."""
    return word[: -STAMP_LENGTH - 1]


def put(directory: SessionDirectory, word: str | None = None) -> str:
    """Put a session aside whose supervisor is dead; the word that :func:`bring_back` takes, a new one if none is given.

    Those beyond the last 20 are deleted, unless they still owe something; their bills stay in the ledger.
    """
    leftovers.close(directory, start_node=True)
    place = paths.private_directory(paths.sessions_directory() / ASIDE)
    here = place / (word or word_for(directory.name))
    for old in kept()[_KEEP - 1 :]:
        if not leftovers.owes(old):
            deleted_bills.note(old)
            shutil.rmtree(old.path, ignore_errors=True)
    directory.path.rename(here)  # the last that is done: whoever is interrupted before has lost nothing
    return here.name


def bring_back(removed: str) -> SessionDirectory:
    """Undo :func:`put`. Raises ``SessionNameTaken`` when there is another of that name by now, ``SessionNotFound``."""
    place = kept_as(removed).path
    if os.sep in removed or removed.startswith(".") or not is_session(place):
        raise SessionNotFound("This session can't be brought back: its files are gone.")
    directory = SessionDirectory(paths.sessions_directory() / name_in(removed))
    if directory.path.exists():
        raise SessionNameTaken(f"There is another session '{directory.name}' by now.", "Remove that one first.")
    place.rename(directory.path)
    return directory


def kept_as(removed: str) -> SessionDirectory:
    """The session that :func:`put` put aside, by its word."""
    return SessionDirectory(paths.sessions_directory() / ASIDE / removed)


def kept() -> list[SessionDirectory]:
    """What was put aside, the newest first."""
    return [SessionDirectory(path) for path in paths_aside()]
