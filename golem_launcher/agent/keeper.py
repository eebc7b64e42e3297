"""Keeps JupyterLab running until the deadline, and ends everything then.

The agent is the reaper of all that comes from it (``PR_SET_CHILD_SUBREAPER``), so that a program which left its
session by two forks is found and ended too. It dies with its own parent, the runtime.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import tree
from .log import LogWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings

MOST_RESTARTS = 5
"""In a row; the count begins anew after ``_STEADY_SECONDS`` of running."""
_STEADY_SECONDS = 600.0
_LONGEST_DELAY = 16.0
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05
_FLUSH_SECONDS = 1.0
_LONGEST_NAP = 3600.0
_READ = 65536
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Keeper:
    """One run of the agent."""

    def __init__(self, settings: Settings, archive: Path) -> None:
        self._settings = settings
        self._archive = archive
        self._log = LogWriter(Path(settings.log), settings.token.encode())
        self._lab: int | None = None
        self._output, self._lab_output = os.pipe2(os.O_CLOEXEC)
        self._wake, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._told_to_stop = False
        self._restarts = 0
        self._started = 0.0
        self._start_at: float | None = 0.0
        self._unflushed = False

    def run(self, ready: Callable[[], None]) -> None:
        """Start JupyterLab, call ``ready``, stay until the end. ``OSError`` when it can't be started at all."""
        os.set_blocking(self._output, False)
        tree.prctl(tree.PR_SET_CHILD_SUBREAPER, 1)
        with contextlib.suppress(OSError):
            tree.prctl(tree.PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            self._start()
            ready()
            self._serve()
        finally:
            self._end()

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self._told_to_stop:
            nap = self._nap()
            if nap is None:
                return
            for descriptor, _ in poll.poll(nap * 1000):
                if descriptor == self._wake:
                    _drain(self._wake)
                else:
                    self._pump()
            self._reap()
            if self._unflushed and nap <= _FLUSH_SECONDS:
                self._log.flush()
                self._unflushed = False
            if self._start_at is not None and time.monotonic() >= self._start_at:
                self._start()

    def _nap(self) -> float | None:
        """Seconds until something is due, or ``None`` when it is over."""
        left = self._settings.deadline - time.time()
        if left <= 0:
            self._log.line("the session's time is over")
            return None
        if self._lab is None and self._start_at is None:
            self._log.line(f"JupyterLab ended {MOST_RESTARTS + 1} times in a row; that is enough")
            return None
        naps = [left, _LONGEST_NAP]  # the clock may be set meanwhile: look at it now and then
        if self._start_at is not None:
            naps.append(max(0.0, self._start_at - time.monotonic()))
        if self._unflushed:
            naps.append(_FLUSH_SECONDS)
        return min(naps)

    def _start(self) -> None:
        self._start_at = None
        self._started = time.monotonic()
        environment = {"LANG": "C.UTF-8", "HOME": self._settings.root, **os.environ}
        process = subprocess.Popen(
            [sys.executable, str(self._archive), "--lab"],
            stdin=subprocess.PIPE,
            stdout=self._lab_output,
            stderr=self._lab_output,
            cwd=self._settings.root,
            env=environment,
            start_new_session=True,
        )
        self._lab = process.pid
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already; that is seen elsewhere
            process.stdin.write(self._settings.to_json())
            process.stdin.close()
        process.returncode = 0  # we wait for all children ourselves

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._lab:
                self._lab = None
                self._plan_restart(status)

    def _plan_restart(self, status: int) -> None:
        if self._told_to_stop:
            return
        if time.monotonic() - self._started > _STEADY_SECONDS:
            self._restarts = 0
        self._restarts += 1
        how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"with code {os.WEXITSTATUS(status)}"
        if self._restarts > MOST_RESTARTS:
            self._log.line(f"JupyterLab ended {how}")
            return
        delay = min(_LONGEST_DELAY, 2.0 ** (self._restarts - 2))
        self._log.line(f"JupyterLab ended {how}; it is started again in {delay:.1f} s")
        self._start_at = time.monotonic() + delay

    def _pump(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._log.write(os.read(self._output, _READ))
            self._unflushed = True

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True

    def _end(self) -> None:
        """SIGTERM to JupyterLab, which ends its kernels; SIGKILL to whatever is left after the grace."""
        self._told_to_stop = True
        if self._lab is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._lab, signal.SIGTERM)
        end = time.monotonic() + _GRACE_SECONDS
        while self._lab is not None and time.monotonic() < end:
            self._pump()
            self._reap()
            time.sleep(_POLL_SECONDS)
        while processes := tree.below(os.getpid()):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            self._reap()
            time.sleep(_POLL_SECONDS)
        self._pump()
        self._log.line("the end")
        self._log.close()


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, _READ):
            pass
