"""Closes down what dead supervisors left, removes partial files, and has a caretaker run where an address is parked.

Called by every command and page that shows or starts sessions: this computer may have been started since the last.
What it takes to close something down is loaded where there is something to close down. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from golem_launcher import partial_files, paths
from golem_launcher.errors import LauncherError, SessionNotFound
from golem_launcher.session import timeouts
from golem_launcher.session.on_disk.liveness import alive, strays
from golem_launcher.session.on_disk.session_paths import (
    BEGUN,
    SessionPaths,
    paths_aside,
    session_paths,
    sessions_locked,
)
from golem_launcher.session.suspension import caretaker_process

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from pathlib import Path

    from golem_launcher.processes import ProcessRecord

_LOG = logging.getLogger(__name__)
RECALL_SECONDS = 10.0
_TIDY_SECONDS = 30.0


def tidy() -> list[str]:
    """Have all as it is to be: :func:`close_dead`, a caretaker where addresses are parked, no file of the killed."""
    with contextlib.suppress(OSError):
        caretaker_process.begin(os.environ)
        partial_files.sweep()
    return close_dead()


def keep_tidy(over: threading.Event) -> None:
    """:func:`tidy` now and every half a minute, until it is ``over``: for a server, which no command may follow.

    Each supervisor has a reaper (:mod:`.reaper`); whoever killed both of them is bounded by this.
    """
    while True:
        try:
            tidy()
        except (LauncherError, OSError):
            _LOG.warning("what dead supervisors left is looked for again later", exc_info=True)
        if over.wait(_TIDY_SECONDS):
            return


def close_dead() -> list[str]:
    """Close down what dead supervisors left, as far as their nodes run; the names of the sessions concerned.

    Starts nothing. What is settled by then is marked so.
    """
    with sessions_locked():  # none is half started now
        if (paths.sessions_directory() / BEGUN).exists():
            from golem_launcher.session.cleanup import name_reuse  # noqa: PLC0415 - see above

            name_reuse.mend()
        dead = [path for path in session_paths() if not _is_done_with(path)]
        dead += [path for path in paths_aside() if not SessionPaths(path).is_settled]
    return _close(dead) if dead else []


def _is_done_with(path: Path) -> bool:
    place = SessionPaths(path)
    return place.is_settled or alive(place)


def _close(dead: Iterable[Path]) -> list[str]:
    from golem_launcher.session.cleanup import leftovers  # noqa: PLC0415 - see above
    from golem_launcher.session.on_disk.directory import SessionDirectory  # noqa: PLC0415 - likewise

    closed = []
    for directory in map(SessionDirectory, dead):
        with contextlib.suppress(SessionNotFound, OSError):  # removed meanwhile, or can't be written: the others count
            if leftovers.close(directory, start_node=False):
                closed.append(directory.state().name)
            if leftovers.settled(directory):
                directory.settle()
    return closed


def recall(seconds: float = RECALL_SECONDS) -> dict[str, ProcessRecord]:
    """Wait until supervisors whose directories were deleted have made them again; those that have not, by name."""
    end = time.monotonic() + seconds
    while (left := strays()) and time.monotonic() < end:
        time.sleep(timeouts.POLL)
    return left


def end_caretaker() -> None:
    """Have nobody answer at parked addresses, nor wake a session up there, until :func:`tidy`; none is half begun."""
    with sessions_locked():
        caretaker_process.end()
