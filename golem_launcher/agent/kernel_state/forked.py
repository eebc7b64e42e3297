"""A save by a copy of the kernel's process, so that the kernel goes on at once.

The copy has the variables as they were at the fork, lets whatever else runs go first, is the first to go when memory
ends, and is ended by Linux when it hangs, whatever the kernel does meanwhile. What a class of the user's breaks in it,
it breaks there.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import signal
import sys
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_SECONDS, _MOST_WAIT = 30.0, 10.0
"""By the clock, for names that are tried together; how many times as long at most, on a machine that is busy."""
_NOTES = 4096
"""Bytes at the beginning of the file: what is tried at the moment. Behind them is the answer."""
_LARGEST_ANSWER = 16 * 1024 * 1024
_NICE = 10
"""Where the user's work keeps all processors busy, a tenth of one is left for the copy; at 19 it would be a hundredth,
and what takes a second would not be done while a cell runs."""
_MOST_OPEN = 65536
ENDS: dict[int, str] = {
    signal.SIGALRM: "saving it takes too long",
    signal.SIGKILL: "there was no memory to save it",
}
"""Why a save is ended by the system, by the signal."""


class ForkedSave:
    """One save that is under way. Made by the kernel's main thread, while no cell runs."""

    def __init__(self, work: Callable[[Callable[[list[str]], None]], dict[str, Any]]) -> None:
        """``work`` runs in the copy; it is given whom to tell the names that it tries next. Raises ``OSError``."""
        self.began = time.monotonic()
        self.answer: dict[str, Any] | None = None
        """What ``work`` returned, once it has ended well."""
        self.why = ""
        """What else it came to."""
        self.names: list[str] = []
        """What was being tried when it ended otherwise."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the copy's end
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a copy has none of the threads is known: nothing waits for one
            self._pid = os.fork()
        if self._pid == 0:
            _be_the_copy(self._file.fileno(), work)

    def has_ended(self) -> bool:
        """Look. Once it has, the answer can be read; not to be called again then."""
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:  # a program of the user's has heard of its end in our place
            pid, status = self._pid, 0
        if pid == 0:
            return False
        with self._file as file, contextlib.suppress(OSError, ValueError):
            notes = os.pread(file.fileno(), _NOTES, 0).rstrip(b"\0 ")
            self.names = json.loads(notes) if notes else []
            answer = json.loads(os.pread(file.fileno(), _LARGEST_ANSWER, _NOTES))
            self.why = str(answer.get("failed", ""))
            self.answer = None if self.why else answer
        if self.answer is None and not self.why:
            ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            self.why = ENDS.get(ended_by, "saving it failed")
        return True


def patience(load: float) -> float:
    """Seconds after which a copy hangs, and does not only wait for its turn: by the processes that want a processor."""
    return _MOST_SECONDS * min(1 + load * _MOST_WAIT, _MOST_WAIT)


def _load() -> float:
    """For each processor."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return 1.0


def _be_the_copy(file: int, work: Callable[[Callable[[list[str]], None]], dict[str, Any]]) -> None:
    """Work, and end. Nothing of the kernel's is touched: its sockets are closed, its cleaning up never runs."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        faulthandler.disable()
        gc.disable()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.closerange(3, file)
        os.closerange(file + 1, _MOST_OPEN)
        sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - a class of the user's may print
        os.nice(_NICE)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")

        def begins(names: list[str]) -> None:
            signal.setitimer(signal.ITIMER_REAL, patience(_load()))
            noted = json.dumps(names).encode()
            os.pwrite(file, (noted if len(noted) < _NOTES else b"[]").ljust(_NOTES), 0)

        begins([])
        try:
            answer = work(begins)
        except BaseException as error:  # noqa: BLE001 - said over there
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        os.pwrite(file, json.dumps(answer).encode(), _NOTES)
    finally:
        os._exit(0)
