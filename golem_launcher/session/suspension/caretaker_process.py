"""Has a caretaker (:mod:`.caretaker`) at work as long as addresses are parked. Loads nothing that only one needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.session.on_disk import parked_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK, LOG = ".caretaker.lock", ".caretaker.log"
"""In the directory of all sessions; the lock is held by the one that is at work."""
PROGRAM = "golem_launcher.session.suspension.caretaker"
_END_SECONDS = 2.0


def begin(environment: Mapping[str, str]) -> None:
    """Have a caretaker at work, unless one is. Called once an address is parked.

    ``environment``: its own, which knows of no session's node.
    """
    sessions = paths.sessions_directory()
    if any(parked_address.everywhere(sessions)) and not _is_at_work(sessions):
        processes.spawn_ours(own_modules.command(PROGRAM), log=sessions / LOG, cwd=sessions, env=environment)


def end() -> None:
    """End it. Whatever is parked is answered for again once another one begins."""
    record = processes.ProcessRecord.from_json(files.read_json(paths.sessions_directory() / parked_address.CARETAKER))
    if record is not None:
        record.stop(grace=_END_SECONDS)


def _is_at_work(sessions: Path) -> bool:
    try:
        with files.locked(sessions / LOCK, deadline=0):
            return False
    except TimeoutError:
        return True
