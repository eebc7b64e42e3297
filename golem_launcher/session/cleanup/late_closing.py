"""``python -m golem_launcher.session.cleanup.late_closing NAME``: closes down what a session's end could not.

An invoice may come late, a provider may not have heard yet that the agreement is over, the node may have been away.

A process of its own, so that nobody who ends a session waits for it. It does no more than every command does that looks
at sessions, only without being asked; so nothing is lost when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from golem_launcher import files, modules, paths, processes
from golem_launcher.errors import LauncherError
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.on_disk.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory

_RECORD = "late.json"
_POLL_SECONDS = 3.0
_SELDOM_SECONDS = 60.0
"""How often at the least it is tried again while the node lets nothing be done."""
_MOST_SECONDS = 3600.0
"""Beyond any late provider, and most nodes that are away; later commands try again as well."""


def begin(directory: SessionDirectory) -> None:
    """Start that process where something may be left and none is at it. Called by whoever ended the session."""
    at_it = processes.ProcessRecord.from_json(files.read_json(directory.path / _RECORD))
    if leftovers.owes(directory) and not (at_it is not None and at_it.alive()):
        record = processes.spawn_detached(
            modules.command(__name__, directory.name),
            env={**os.environ, **paths.variables()},
            log=directory.supervisor_log,
            cwd=directory.path,
        )
        files.write_json(directory.path / _RECORD, record.to_json())


def main() -> int:
    """Wait for the session that the first argument names."""
    end, pause = time.monotonic() + _MOST_SECONDS, _POLL_SECONDS
    with contextlib.suppress(LauncherError):  # it is gone, or another one has its name
        directory = session_directory(sys.argv[1])
        while leftovers.owes(directory) and time.monotonic() < end:
            time.sleep(pause)
            pause = _POLL_SECONDS if leftovers.awaits(directory) else min(2 * pause, _SELDOM_SECONDS)
            with contextlib.suppress(OSError):
                leftovers.close(directory, start_node=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
