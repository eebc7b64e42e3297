"""Detached processes, identified by pid *and* start time so that a reused pid is never mistaken for one.

Where ``/proc`` is, a start time is the kernel's own count since boot together with the boot's id: a clock that is set
or a machine that sleeps does not change it. Elsewhere it is psutil's time of creation.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import paths

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping, Sequence

_POLL_SECONDS = 0.02
_KILL_SECONDS = 5.0
"""How long the kernel may take to end what got SIGKILL; more only where it waits for a broken disk."""
_SAME_START_SECONDS = 0.005
_NAMED = "golem-launcher "
_LONGEST_COMM = 15

_detached: set[int] = set()
"""Children of this process made by :func:`spawn_detached` and not reaped yet."""
_endings: dict[int, int] = {}
"""Exit statuses of those that were reaped and not asked for yet."""


@dataclass(frozen=True)
class ProcessRecord:
    """The identity of a process.

    ``started`` is in seconds (since ``boot``, the id of the machine's running time, or since the epoch where the system
    gives no such id). It tells processes apart and is no time of day.
    """

    pid: int
    started: float
    boot: str = ""

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a living process; ``ProcessLookupError`` when there is none."""
        seen = _look(pid)
        if seen is None:
            raise ProcessLookupError(pid)
        return cls(pid, seen.started, _boot_id())

    @classmethod
    def from_json(cls, value: Any) -> ProcessRecord | None:
        """Read back what :meth:`to_json` wrote; ``None`` for anything else."""
        try:
            record = cls(int(value["pid"]), float(value["started"]), str(value.get("boot", "")))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None
        return record if record.pid > 0 else None

    @classmethod
    def named(
        cls, arguments: Sequence[str], variable: tuple[str, str], *, or_of: Sequence[Sequence[str]]
    ) -> dict[str, ProcessRecord]:
        """Processes of ours with these ``arguments`` and one more, by that one, in whose environment a variable stands.

        As well those with the arguments ``or_of`` what they were before, by what they gave to
        :func:`name_this_process`.
        """
        import psutil  # noqa: PLC0415 - few ask, and it takes longer to load than most commands take

        found = {}
        for process in psutil.process_iter(["cmdline"]):
            given = (process.info["cmdline"] or [""])[1:]
            was_another = given in [[*each] for each in or_of]
            if given[:-1] != [*arguments] and not was_another:
                continue
            with contextlib.suppress(psutil.Error, OSError):
                if process.uids().real != os.getuid() or process.environ().get(variable[0]) != variable[1]:
                    continue
                name = _own_name(process.pid) if was_another else given[-1]
                if name:
                    found[name] = cls.of(process.pid)
        return found

    def to_json(self) -> dict[str, Any]:
        """A JSON value for a file on disk."""
        return asdict(self)

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        seen = self._seen()
        if seen is not None and seen.zombie:
            _reap(self.pid)
            return False
        return seen is not None

    def exit_status(self) -> int | None:
        """How a process of :func:`spawn_detached` ended: its exit code, or minus the signal that killed it.

        ``None`` while it runs, for a process started by another one than this, and when it was asked for before.
        """
        _reap(self.pid)
        return _endings.pop(self.pid, None)

    def signal(self, number: int) -> None:
        """Send a signal to this very process; nothing happens when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, *, grace: float) -> bool:
        """End the process: SIGTERM, at most ``grace`` seconds, then SIGKILL to all that is left of its session.

        Blocking. What the process started in its session ends too, even when the process itself was gone before. Says
        whether everything is gone.
        """
        self.signal(signal.SIGTERM)
        end = time.monotonic() + grace
        while self.alive() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        end = time.monotonic() + _KILL_SECONDS
        while self.kill_session():  # again and again: a process may fork while its siblings are killed
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def kill_session(self) -> int:
        """SIGKILL the process and all of its session, when it leads one; how many processes that were.

        The pid of a leader is not given to another process while its session has members, so they are known even
        after the leader's death.
        """
        members = list(self._session())
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return len(members)

    def _session(self) -> Iterator[int]:
        if self.boot != _boot_id():
            return
        leader = _look(self.pid)
        if leader is not None and not self._is(leader):
            return  # the pid has been reused: our session ended before
        import psutil  # noqa: PLC0415 - as above

        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if pid != self.pid and os.getsid(pid) != self.pid:
                    continue
                member = _look(pid)
                if member is None or member.started < self.started - _SAME_START_SECONDS:
                    continue
                if member.zombie:
                    _reap(pid)
                    continue
                yield pid

    def _seen(self) -> _Seen | None:
        seen = _look(self.pid) if self.boot == _boot_id() else None
        return seen if seen is not None and self._is(seen) else None

    def _is(self, seen: _Seen) -> bool:
        return abs(seen.started - self.started) < _SAME_START_SECONDS


def spawn_ours(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> ProcessRecord:
    """Start a program of ours as :func:`spawn_detached` does, which finds the same files here as this one.

    ``env``: its environment apart from that; this process's by default.
    """
    environment = {**(os.environ if env is None else env), **paths.variables()}
    return spawn_detached(argv, env=environment, log=log, cwd=cwd, stdin=stdin)


def spawn_detached(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path, stdin: int = subprocess.DEVNULL
) -> ProcessRecord:
    """Start a program in a session of its own, both outputs appended to ``log`` (0600).

    ``stdin``: an open descriptor of its standard input; it has none by default. It survives its starter. Raises
    ``OSError`` when the program can't be started.
    """
    for pid in list(_detached):
        _reap(pid)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    process.returncode = 0  # from here on it is ours to reap, and Popen's finaliser must not warn about a living child
    record = ProcessRecord.of(process.pid)
    _endings.pop(process.pid, None)
    _detached.add(process.pid)
    return record


def name_this_process(name: str) -> None:
    """Have this process be known by a name: its command is that of what it was, or was forked by. Linux only."""
    os.memfd_create(_NAMED + name)  # for as long as it lives; a file that is nowhere, so nobody deletes it
    Path("/proc/self/comm").write_text(name[:_LONGEST_COMM])  # ps and top show it


def _own_name(pid: int) -> str:
    """What a process gave to :func:`name_this_process`; empty where it did not."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith(f"/memfd:{_NAMED}"):
                return target.removeprefix(f"/memfd:{_NAMED}").removesuffix(" (deleted)")
    return ""


def output_of(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    """What a process says that was started with a pipe for it. Raises ``ValueError`` for another."""
    if process.stdout is None:
        raise ValueError("the process has no pipe for what it says")
    return process.stdout


@dataclass(frozen=True)
class _Seen:
    """What the system says about a pid at this moment."""

    started: float
    zombie: bool


def _look(pid: int) -> _Seen | None:
    return _look_in_proc(pid) if _boot_id() else _look_with_psutil(pid)


def _look_in_proc(pid: int) -> _Seen | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): the name stands in parentheses and may hold some itself; state and start time are fields 3, 22.
    fields = line[line.rindex(b")") + 2 :].split()
    return _Seen(int(fields[19]) / os.sysconf("SC_CLK_TCK"), fields[0] in {b"Z", b"X"})


def _look_with_psutil(pid: int) -> _Seen | None:
    import psutil  # noqa: PLC0415 - as above

    try:
        process = psutil.Process(pid)
        return _Seen(process.create_time(), process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return None


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _reap(pid: int) -> None:
    """Take a dead child of ours out of the process table. Children of other code's Popen are left to it."""
    if pid not in _detached:
        return
    try:
        gone, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # we are a fork of the process that started it, or signals of children are ignored
        _detached.discard(pid)
        return
    if gone:
        _detached.discard(pid)
        _endings[pid] = os.waitstatus_to_exitcode(status)
