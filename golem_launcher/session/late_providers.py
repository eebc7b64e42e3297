"""``python -m golem_launcher.session.late_providers NAME``: waits for the providers of a session that has ended.

An invoice may come late, and a provider may not have heard yet that the agreement is over.

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
from golem_launcher.session import leftovers
from golem_launcher.session.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.session.directory import SessionDirectory

_RECORD = "late.json"
_POLL_SECONDS = 3.0
_MOST_SECONDS = 900.0


def begin(directory: SessionDirectory) -> None:
    """Start the process that waits for providers that are late. Called by a supervisor when it ends."""
    if leftovers.awaits(directory):
        record = processes.spawn_detached(
            modules.command(__name__, directory.name),
            env={**os.environ, **paths.variables()},
            log=directory.supervisor_log,
            cwd=directory.path,
        )
        files.write_json(directory.path / _RECORD, record.to_json())


def main() -> int:
    """Wait for the session that the first argument names."""
    end = time.monotonic() + _MOST_SECONDS
    with contextlib.suppress(LauncherError):  # it is gone, or another one has its name
        directory = session_directory(sys.argv[1])
        while leftovers.awaits(directory) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
            with contextlib.suppress(OSError):
                leftovers.close(directory, start_node=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
