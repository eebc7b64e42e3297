"""Processes that outlive their starter, known by pid *and* start time so that a reused pid is never mistaken."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_POLL_SECONDS = 0.02
_SAME_START_SECONDS = 1.0


@dataclass(frozen=True)
class ProcessRecord:
    """The identity of a process: ``pid`` and ``started`` (seconds since the epoch, from the kernel)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a living process; ``ProcessLookupError`` when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            raise ProcessLookupError(pid) from None

    @classmethod
    def from_json(cls, value: Any) -> ProcessRecord | None:
        """Read back what :meth:`to_json` wrote; ``None`` for anything else."""
        try:
            return cls(int(value["pid"]), float(value["started"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """A JSON value for a file on disk."""
        return asdict(self)

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started) < _SAME_START_SECONDS
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def exit_status(self) -> int | None:
        """How a child of this very process ended: its exit code, or minus the number of the signal that killed it.

        ``None`` while it runs, for a process that is no child of ours, and when it was asked for before.
        """
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    def signal(self, number: int) -> None:
        """Send a signal to this very process; nothing happens when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, *, grace: float) -> None:
        """End the process: SIGTERM, ``grace`` seconds, then SIGKILL to its whole session. Blocking."""
        self.signal(signal.SIGTERM)
        if not self._gone_within(grace):
            self.kill_group()
            self._gone_within(grace)

    def kill_group(self) -> None:
        """SIGKILL the process and all of its process group, when it leads one."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)

    def _gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.alive():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)  # our own child would stay a zombie
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def spawn_detached(argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> ProcessRecord:
    """Start a program in a session of its own, with no standard input, both outputs appended to ``log`` (0600).

    It survives its starter. Raises ``OSError`` when the program can't be started.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    record = ProcessRecord.of(process.pid)
    process.returncode = 0  # detached on purpose: keep Popen's finaliser from warning about a living child
    return record
