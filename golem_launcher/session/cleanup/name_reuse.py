"""Moves an ended session out of the way of a new one that takes its name, and completes or undoes a half-done move.

A process that is killed in between leaves such a move; the next start finds it. The caller holds the lock of the
sessions' directory. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.session.cleanup import trash
from golem_launcher.session.on_disk.session_paths import BEGUN, is_session
from golem_launcher.session.suspension import suspension

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory

_NOTE = ".replaces"
"""Beside the one that is being made: the word by which the other is known once it is put aside."""


def make_room(directory: SessionDirectory) -> None:
    """Put a session aside that is over, for one that is ready to take its place. :func:`mend` follows, whatever comes.

    Raises ``OSError``.
    """
    word = trash.word_for(directory.name)
    files.write_json(paths.sessions_directory() / BEGUN / _NOTE, word)
    trash.put(directory, word)


def mend() -> None:
    """Leave one session of each name: the new one where it is in its place, the other where it is not.

    Brought back from where it was put aside, one that has made room is no longer suspended: two would go on with its
    budget. Called once a session has begun, or could not, and by whoever comes after one that was killed meanwhile.
    """
    begun = paths.sessions_directory() / BEGUN
    word = files.read_json(begun / _NOTE)
    if isinstance(word, str) and is_session(trash.kept_as(word).path):
        if is_session(paths.sessions_directory() / trash.name_in(word)):
            with contextlib.suppress(OSError):  # the new one runs
                suspension.give_up(trash.kept_as(word), suspension.REPLACED)
        else:
            trash.bring_back(word)
    shutil.rmtree(begun, ignore_errors=True)
