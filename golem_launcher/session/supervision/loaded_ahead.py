"""``python -m golem_launcher.session.supervision.loaded_ahead``: loads what a supervisor needs before its session is.

A command that starts a session loads for as long as the session's supervisor does, and each on a core of its own. So
the command begins this first of all, and a page when the pointer comes to its Start; told of the session once there is
one, it is that session's supervisor, and loads itself what is missing. Where the program that began it ends, or takes
long, this process ends as well. Where it can't be had, the supervisor is started by its own command.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import own_modules, paths, processes
from golem_launcher.errors import LauncherError
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.supervision import becoming, fork_server, preload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WAITS_SECONDS = 60.0
"""For its session, once it has loaded all."""
_TAKEN_SECONDS = 30.0
"""After its begin; later it may be about to leave."""
_LOADED = (
    "pydantic",
    "golem_launcher.session.on_disk.directory",
    "aiohttp",
    "golem_launcher.session.supervision.supervisor",
    "golem_launcher.node.requestor_api",
    "golem_launcher.session.machines.renting",
    "golem_launcher.session.supervision.run",
    "golem_launcher.session.supervision.commands",
)
"""What each supervisor loads, but for yapapi, in small steps: after each it is looked whether there is a session."""


@dataclass(frozen=True)
class _Begun:
    """One that loads for this program."""

    record: processes.ProcessRecord
    connection: socket.socket
    """Its standard input: what it is to become. It ends once this is closed."""
    settings: list[str]
    at: float
    """By the clock of :func:`time.monotonic`."""

    @property
    def is_fresh(self) -> bool:
        """Whether it is there, and waits for a while yet."""
        return time.monotonic() - self.at < _TAKEN_SECONDS and self.record.alive()


class _OfThisProgram:
    begun: _Begun | None = None


def begin() -> None:
    """Have one load for the session that this program is about to start, unless one does or supervisors are forked.

    Raises nothing: whatever is wrong is told by the start itself. Blocking, for a moment.
    """
    before = _OfThisProgram.begun
    if before is not None:
        if before.is_fresh:
            return
        before.connection.close()
    with contextlib.suppress(LauncherError, OSError):
        if sys.platform != "linux" or fork_server.is_at_work():
            return
        environment = {**becoming.FRUGAL, **os.environ, **paths.variables()}
        ours, its = socket.socketpair()
        with its:
            record = processes.spawn_detached(
                command(), env=environment, log=Path(os.devnull), cwd=paths.sessions_directory(), stdin=its.fileno()
            )
        _OfThisProgram.begun = _Begun(record, ours, becoming.settings(environment), time.monotonic())


def take(name: str, *, environment: Mapping[str, str], log: Path, cwd: Path) -> processes.ProcessRecord | None:
    """The process that was loaded ahead, as the supervisor of the session ``name`` from now on; ``None`` without one.

    It is not waited for, as no supervisor is.
    """
    begun, _OfThisProgram.begun = _OfThisProgram.begun, None
    if begun is None:
        return None
    with begun.connection, contextlib.suppress(OSError):  # it was killed
        if begun.is_fresh and becoming.settings(environment) == begun.settings:
            begun.connection.sendall(becoming.ToBecome(name, dict(environment), str(log), str(cwd)).line())
            return begun.record
    return None


def command() -> list[str]:
    """What runs it, and stays the command of the supervisor that it becomes."""
    return own_modules.command(liveness.LOADED_AHEAD)


def main() -> int:
    """Load until it is told what it is to become; the exit code, a supervisor's where it has become one."""
    gc.disable()  # as a supervisor does while it loads
    steps: list[Callable[[], Any]] = [functools.partial(importlib.import_module, module) for module in _LOADED]
    for load in (*steps, preload.engine):
        if _is_readable(0):
            break
        load()
    told = becoming.ToBecome.read(sys.stdin.buffer) if _is_readable(_WAITS_SECONDS) else None
    if told is None:
        return 0
    becoming.become(told)
    from golem_launcher.session.supervision import supervisor  # noqa: PLC0415 - loaded by now, by nobody who begins it

    return supervisor.main()


def _is_readable(seconds: float) -> bool:
    """Whether something was told, or nobody is there any more who could."""
    return bool(select.select([0], [], [], seconds)[0])


if __name__ == "__main__":
    sys.exit(main())
