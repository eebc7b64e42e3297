"""Has a job done by a command of its own: what the page begins goes on when the page is closed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.errors import SessionError, SessionNotFound
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from golem_launcher.tasks.record import JobDirectory

LOG = "command.log"
"""What the command says, in the job's directory."""
_BEGIN_SECONDS = 60.0
_END_SECONDS = 10.0
"""In which a command that does not begin may end by itself."""
_LOOK_SECONDS = 0.1
_READ = 4000


def begin(directory: JobDirectory, command: Literal["run", "sweep"], *, budget: Decimal | None = None) -> None:
    """Have ``command`` go on with the job; returns once its session was started, or all is done. Blocking.

    ``budget``: what it may cost in all from now on, where that changes.

    Raises ``SessionError`` with what the command says where it does not come so far. No command is at the job then,
    and nothing goes on that costs: one that takes too long is ended. One that can't be ended is left to go on.
    """
    log = directory.path / LOG
    log.unlink(missing_ok=True)
    environment = {**os.environ, paths.HOME_VARIABLE: str(paths.home())}
    more = [] if budget is None else ["--budget", str(budget)]
    argv = own_modules.command("golem_launcher.cli", command, "--resume", directory.name, *more)
    process = processes.spawn_detached(argv, env=environment, log=log, cwd=directory.path)
    end = time.monotonic() + _BEGIN_SECONDS
    over = False
    while not over and time.monotonic() < end:
        over = not process.alive()
        if _begun(directory.name):
            return
        if not over:
            time.sleep(_LOOK_SECONDS)
    if not over and (not process.stop(grace=_END_SECONDS) or _begun(directory.name)):
        return
    if said := _said(log):
        raise SessionError(said)
    if not over:
        raise SessionError(f"The job '{directory.name}' does not begin.", "Try again in a moment.")


def _begun(name: str) -> bool:
    try:
        return liveness.alive(session_directory(name))
    except SessionNotFound:
        return False


def _said(log: Path) -> str:
    """The error that a command ended with; empty where it ended well."""
    lines = files.last_lines(log, most=_READ)
    return next((line.partition(": ")[2] for line in reversed(lines) if line.startswith("Error: ")), "")
