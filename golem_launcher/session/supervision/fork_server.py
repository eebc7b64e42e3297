"""``python -m golem_launcher.session.supervision.fork_server``: has loaded what supervisors need, and forks them.

Where several sessions run they share the memory of what was loaded, more than half of what each takes alone, and a
start does not wait for imports. Begun with the second session, gone half a minute after the last: where one follows
upon the other, each starts at once. It has one thread and no loop, and does nothing but fork: what is forked goes on as
a supervisor that was started by its command, in a session of processes, an environment and a directory of its own.
When it is killed or hangs, supervisors are started by their command; those that run know nothing of it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.session_paths import SessionPaths, session_paths
from golem_launcher.session.supervision import becoming
from golem_launcher.session.supervision.becoming import ToBecome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCK, _LOG, _PROCESS = ".fork-server.lock", ".fork-server.log", ".fork-server.json"
_SOCKET, _NEW = "fork-server.sock", "fork-server.new"
"""In the directory of all sessions, or where sockets are; the lock is held by the one that is at work."""
_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 2.0
"""How often it looks whether sessions run."""
STAYS_SECONDS = 30.0
"""After the last session, or its own begin."""
_END_SECONDS = 1.0
_LONGEST = 1 << 20
_LOADED = (
    "golem_launcher.session.supervision.run",
    "golem_launcher.session.supervision.supervisor",
    "golem_launcher.session.supervision.commands",
    "golem_launcher.access.sockets.port_socket",
    "golem_launcher.access.hub.hub_proxy",
    "golem_launcher.access.hub.hub_gate",
    "golem_launcher.access.link.link",
    "golem_launcher.access.ways_in",
    "golem_launcher.workspace.repository.store",
    "golem_launcher.workspace.transfer.agent_workspace",
    "golem_launcher.workspace.transfer.saver",
    "yapapi.log",
    "encodings.idna",
)
"""What a supervisor loads while its session starts; the rest, which few sessions need, each loads for itself."""


def fork(name: str, *, environment: Mapping[str, str], log: Path, cwd: Path) -> processes.ProcessRecord | None:
    """The supervisor of the session ``name``, forked; ``None`` where it has to be started by its command. Blocking."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(_place(paths.sessions_directory())))
            asked = _Asked(name, dict(environment), str(log), str(cwd), made_of=_made_of(environment))
            connection.sendall(asked.line())
            with connection.makefile("rb") as answers:
                return processes.ProcessRecord.from_json(json.loads(answers.readline(_LONGEST)))
    except (OSError, ValueError):  # there is none, or it was killed, or hangs
        return None


def begin(environment: Mapping[str, str]) -> None:
    """Have one at work for the supervisors that are still to come, unless one is. Raises ``OSError``.

    Who calls holds the lock of all sessions.
    """
    sessions = paths.sessions_directory()
    if sys.platform == "linux" and not _is_alive(sessions):
        record = processes.spawn_detached(command(), env=environment, log=sessions / _LOG, cwd=sessions)
        files.write_json(sessions / _PROCESS, record.to_json())


def is_at_work() -> bool:
    """Whether there is one, which may still load. Raises ``OSError``, ``LauncherError``."""
    return _is_alive(paths.sessions_directory())


def end() -> None:
    """End it; what it forked goes on, in sessions of processes of its own. Blocking, for a moment."""
    record = _record(paths.sessions_directory())
    if record is not None:
        record.stop(grace=_END_SECONDS)


def command() -> list[str]:
    """The command that runs the fork server. What it forks keeps this command line, by which ``ps`` shows it."""
    return own_modules.command(liveness.FORK_SERVER)


def _record(sessions: Path) -> processes.ProcessRecord | None:
    return processes.ProcessRecord.from_json(files.read_json(sessions / _PROCESS))


def _is_alive(sessions: Path) -> bool:
    record = _record(sessions)
    return record is not None and record.alive()


def _place(sessions: Path) -> Path:
    return paths.socket_path(sessions, _SOCKET)


def _made_of(environment: Mapping[str, str]) -> str:
    """By what a supervisor that is started with this ``environment`` differs from others: our code, and settings."""
    words = becoming.settings(environment)
    for folder, _, names in os.walk(Path(__file__).parents[2]):
        for name in names:
            if name.endswith(".py"):
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - hundreds
                words.append(f"{folder}/{name} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join([sys.executable, *sorted(words)]).encode()).hexdigest()


@dataclass(frozen=True)
class _Asked(ToBecome):
    """What a supervisor is to be, for one that is made of this."""

    made_of: str


def main() -> int:
    """Fork supervisors for as long as sessions run; the exit code, a supervisor's where this process has become one."""
    sessions, asked = paths.sessions_directory(), None
    with contextlib.suppress(TimeoutError), files.locked(sessions / _LOCK, deadline=0):  # else another one is at work
        asked = _serve(sessions, _loaded())
    if asked is None:
        return 0
    from golem_launcher.session.supervision import supervisor  # noqa: PLC0415 - loaded by now, by nobody who asks

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    becoming.become(asked)
    return supervisor.main()


def _loaded() -> str:
    """Load all that supervisors need; what it is made of. Raises ``RuntimeError`` where that can't be forked."""
    made_of = _made_of(os.environ)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's, where a library loads it: it begins a thread for each core
    for name in _LOADED:
        importlib.import_module(name)
    from golem_launcher.session.supervision import preload  # noqa: PLC0415 - loaded by now
    from golem_launcher.workload import archive  # noqa: PLC0415 - likewise

    preload.engine()
    archive.agent_archive()
    archive.compiled_agent_archive()  # kept by what makes them
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a library has begun a thread, which no fork would have")
    gc.collect()
    gc.freeze()  # what looks for garbage writes to what it looks at, and what is written to is no longer shared
    return made_of


def _serve(sessions: Path, made_of: str) -> _Asked | None:
    """Fork whenever somebody asks. ``None`` at the end; in a process that was forked, what that is to be."""
    signal.signal(signal.SIGCHLD, _reap)
    with _listening(sessions) as listener:
        looked = lived = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError), listener.accept()[0] as connection:
                connection.settimeout(_ANSWER_SECONDS)
                with connection.makefile("rb") as lines:
                    asked = _Asked.read(lines)
                if asked is not None and asked.made_of != made_of:
                    return None  # the next one is made of what there is now
                if asked is not None and _forked(connection):
                    return asked
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                if not sessions.exists():
                    return None
                if _anybody_lives():
                    lived = looked
                if looked - lived > STAYS_SECONDS:
                    return None


def _forked(connection: socket.socket) -> bool:
    """Fork, and tell who asked the process; whether this is the one that was forked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # it is not reaped before it is known
    try:
        pid = os.fork()
        if pid == 0:
            return True
        record = processes.ProcessRecord.of(pid)
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(record.to_json()).encode() + b"\n")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    return False


@contextlib.contextmanager
def _listening(sessions: Path) -> Iterator[socket.socket]:
    new = paths.socket_path(sessions, _NEW)
    new.unlink(missing_ok=True)  # of one that was killed: who holds the lock is alone
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(new))
        new.chmod(0o600)
        listener.listen()
        listener.settimeout(_LOOK_SECONDS)
        new.rename(_place(sessions))  # who finds it is heard
        yield listener


def _reap(*_: Any) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _anybody_lives() -> bool:
    return any(not place.is_settled and liveness.alive(place) for place in map(SessionPaths, session_paths()))


if __name__ == "__main__":
    sys.exit(main())
