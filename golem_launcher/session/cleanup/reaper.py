"""``python -m golem_launcher.session.cleanup.reaper NAME``: finishes what a session's supervisor left, at any end.

Killed or crashed, it leaves machines that are paid; after an orderly end an invoice may come late, a provider may not
have heard yet that the agreement is over, the node may have been away. Each supervisor has a reaper from its first
moment: until the supervisor's end a shell that waits at a pipe, which takes less than two megabytes; then this program,
where something is left. It does no more than every command does that looks at sessions, only without being asked; so
nothing is lost when it is killed as well.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files, own_modules, processes
from golem_launcher.errors import LauncherError
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.directory import SessionDirectory, session_directory
from golem_launcher.session.reporting import notifications
from golem_launcher.session.suspension import caretaker_process

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger(__name__)
_RECORD = "reaper.json"
_UNLESS_TOLD = ("/bin/sh", "-c", 'read -r told || exec "$@"', "sh")
"""Waits for a line, and does nothing more when one comes; runs the arguments when nobody can write one any more."""
_ALL_IS_DONE = b"all is done\n"
_POLL_SECONDS = 3.0
_SELDOM_SECONDS = 60.0
"""How often at the least it is tried again while the node lets nothing be done."""
_MOST_SECONDS = 3600.0
"""Beyond any late provider, and most nodes that are away; later commands try again as well."""


@contextlib.contextmanager
def at_hand(directory: SessionDirectory) -> Iterator[None]:
    """Have a reaper wait for the end of this process, which is the session's supervisor. Around all that it does.

    Left in order with nothing left to do, there is none any more.
    """
    waits, word = os.pipe()  # no program that this process starts has an end of it
    try:
        _spawn(directory, [*_UNLESS_TOLD, *_command(directory)], stdin=waits)
    except OSError:
        _LOG.exception("were this process killed, only the next command would close down what it leaves")
    finally:
        os.close(waits)
    try:
        yield
        with contextlib.suppress(LauncherError, OSError):  # its directory was deleted, or it was ended itself
            if not _is_left(directory):
                os.write(word, _ALL_IS_DONE)
    finally:
        os.close(word)


def begin(directory: SessionDirectory) -> None:
    """Start one where something may be left at the node and none is at it. Called by whoever ended the session."""
    at_it = _record(directory)
    if leftovers.owes(directory) and not (at_it is not None and at_it.alive()):
        _spawn(directory, _command(directory))


def end(directory: SessionDirectory) -> None:
    """End it, for who is about to kill the supervisor, and closes down itself what that leaves."""
    record = _record(directory)
    if record is not None:
        record.kill_session()


def _record(directory: SessionDirectory) -> processes.ProcessRecord | None:
    return processes.ProcessRecord.from_json(files.read_json(directory.path / _RECORD))


def _command(directory: SessionDirectory) -> list[str]:
    return own_modules.command(__name__, directory.name)


def _spawn(directory: SessionDirectory, command: list[str], *, stdin: int = subprocess.DEVNULL) -> None:
    record = processes.spawn_ours(command, log=directory.supervisor_log, cwd=directory.path, stdin=stdin)
    files.write_json(directory.path / _RECORD, record.to_json())


def _is_left(directory: SessionDirectory) -> bool:
    """Whether something is to be done for a session."""
    return leftovers.owes(directory) or not directory.state().stage.final


def main() -> int:
    """Finish what is left of the session in the current directory, wherever that lies by now."""
    with contextlib.suppress(LauncherError, OSError):  # it was deleted
        directory = _own_directory()
        _finish(directory)
        caretaker_process.begin(os.environ)
    return 0


def _own_directory() -> SessionDirectory:
    try:
        return SessionDirectory(Path.cwd())  # it may have made room for another session of its name
    except FileNotFoundError:  # it was deleted, and its supervisor has made it again
        return session_directory(sys.argv[1])


def _finish(directory: SessionDirectory) -> None:
    end, pause = time.monotonic() + _MOST_SECONDS, _POLL_SECONDS
    while _is_left(directory) and time.monotonic() < end:
        with contextlib.suppress(OSError):
            _close(directory)
        if not _is_left(directory):
            return
        time.sleep(pause)
        pause = _POLL_SECONDS if leftovers.awaits(directory) else min(2 * pause, _SELDOM_SECONDS)


def _close(directory: SessionDirectory) -> None:
    """Close down what is left, as far as the node lets it; who had the session open is told of its end."""
    before = directory.state()
    leftovers.close(directory, start_node=False)
    after = directory.state()
    if before.stage.final or not after.stage.final:
        return
    notifications.begin(directory, "ended")
    at_hub = before.gate_port is not None  # its pages are told by that
    if before.address is not None and not at_hub and not parked_address.has_left_word(directory.path):
        parked_address.park(directory.path, parked_address.of_ended(before.address, parked_address.told_at_end(after)))
        caretaker_process.begin(os.environ)


if __name__ == "__main__":
    sys.exit(main())
