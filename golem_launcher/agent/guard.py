"""Keeps JupyterLab running until the deadline, and ends all of it then."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from . import processes

if TYPE_CHECKING:
    from .config import Config
    from .log import Log

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_PIECE = 65536
_LONGEST_LINE = 65536
_RESTARTS = 5
_GOOD_RUN_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 3600.0  # a clock that was set meanwhile is noticed


class _Over(Exception):  # noqa: N818 - not an error
    """The session is over; the argument says why."""


class Guard:
    """Runs the Lab's command, copies its output to the log, starts it again when it crashes."""

    def __init__(self, config: Config, log: Log, command: list[str]) -> None:
        self._config = config
        self._log = log
        self._command = command

    def run(self) -> None:
        """Until the deadline, a SIGTERM, or too many crashes; then every process of the session is ended."""
        # What a crashed Lab leaves behind becomes our child, so that none is overlooked at the end.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._asked_to_end)
        try:
            self._keep_running()
        except _Over as over:
            self._log.line(str(over))
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            processes.end_descendants(os.getpid(), grace=_GRACE_SECONDS)

    def _asked_to_end(self, *_: Any) -> None:
        raise _Over("The session ends: the provider was asked to.")

    def _keep_running(self) -> None:
        crashes = 0
        while crashes <= _RESTARTS:
            started = time.monotonic()
            code = self._run_once()
            processes.end_descendants(os.getpid(), grace=0)
            crashes = 1 if time.monotonic() - started > _GOOD_RUN_SECONDS else crashes + 1
            self._log.line(f"JupyterLab ended with exit code {code}.")
            if crashes <= _RESTARTS:
                self._wait(2.0 ** (crashes - 1))
                self._log.line("JupyterLab is started again.")
        raise _Over("JupyterLab ends again and again; it is not started any more.")

    def _run_once(self) -> int:
        lab = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._config.root,
            start_new_session=True,
        )
        assert lab.stdout is not None
        with lab.stdout as output, selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            rest = b""
            while True:
                if not selector.select(self._left()):
                    continue
                data = os.read(output.fileno(), _PIECE)
                rest = self._copy(rest + data, whole=not data)
                if not data:
                    return lab.wait()

    def _copy(self, data: bytes, *, whole: bool) -> bytes:
        """Log the whole lines of ``data`` (all of it at the end, or when a line has no end) and return the rest."""
        cut = len(data) if whole or len(data) > _LONGEST_LINE else data.rfind(b"\n") + 1
        if cut:
            self._log.write(data[:cut])
        return data[cut:]

    def _left(self) -> float:
        left = self._config.deadline - time.time()
        if left <= 0:
            raise _Over("The session's time is over.")
        return min(left, _LONGEST_WAIT_SECONDS)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(InterruptedError):
                time.sleep(min(left, self._left()))
