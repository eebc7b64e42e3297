"""What the launcher asks of a workload's agent: to start it, its log, its health, what it uses, another deadline."""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from . import benchmark, file_placement, health, process_tree
from .config import TOKEN
from .kernel_state import signal_files
from .log import end_of, read_log
from .process_orders import LEAD
from .usage import usage
from .whole_number import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config

_LARGEST_PIECE = 128 * 1024
_USUAL_WAIT = "20"
_LONGEST_WAIT = 25.0
_KEEP_SECONDS = 5.0
_KEEP_LOOK_SECONDS = 0.05
_HEALTH_LOOK_SECONDS = 0.05
_LONGEST_TERM = 400 * 86400.0
_FILLER = 64 * 1024
_SIZE_DIGITS = 7
_WAIT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


class LogPiece(NamedTuple):
    """Bytes of the log, and the offset of the next read: further on than their number if older bytes are gone."""

    data: bytes
    following: int


class Control:
    """Answers the launcher's requests. The server makes one in its process, and calls it from several threads at once.

    A byte into the pipe ``gate`` lets the workload start. ``bell`` is a pipe that becomes readable when the log has
    grown, and closes with the process manager. ``orders`` is a pipe from which the process manager reads, one line
    each: new deadlines, in seconds by ``proc.clock``, or that this machine leads.
    """

    def __init__(self, config: Config, gate: int, bell: int, orders: int) -> None:
        self._config = config
        self._held = config.hold
        self._gate = gate
        self._log = config.log
        self._root = config.root
        self._bell = bell
        self._orders = orders
        self._manager = os.getppid()
        self._grown = threading.Condition()
        self._measuring = threading.Lock()

    def follow(self) -> None:
        """Wake the requests that wait for the log whenever it grows; returns when the process manager is gone."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while True:
            poll.poll()
            if not os.read(self._bell, 65536):
                return
            with self._grown:
                self._grown.notify_all()

    def state(self) -> dict[str, bool]:
        """Whether the workload waits, and whether it has ended."""
        return {"held": self._held, "ended": end_of(self._log) is not None}

    def open(self) -> dict[str, Any]:
        """Let the workload start: all is there that was to be brought."""
        os.write(self._gate, b"o")
        self._held = False
        return {}

    def log(self, offset: str = "0", wait: str = _USUAL_WAIT) -> LogPiece:
        """The log from ``offset`` on, after waiting up to ``wait`` seconds for a first byte. Raises ``ValueError``."""
        begin = whole(offset)
        if begin is None or not _WAIT.fullmatch(wait):
            raise ValueError("a number that does not fit")
        end = time.monotonic() + min(float(wait), _LONGEST_WAIT)
        with self._grown:
            while True:
                at, data = read_log(self._log, begin, _LARGEST_PIECE)
                left = end - time.monotonic()
                if data or left <= 0:
                    return LogPiece(data, at + len(data))
                self._grown.wait(left)

    def usage(self) -> dict[str, Any]:
        """What the agent and all its descendants use, see usage.py."""
        return usage(self._manager, self._root)

    def benchmark(self) -> dict[str, Any]:
        """How fast the machine is, see benchmark.py: one at a time. Raises ``ValueError`` when it can't be measured."""
        with self._measuring:
            try:
                volume = os.path.dirname(self._log)
                return benchmark.run(file_placement.for_large_files(self._root, volume))
            except (OSError, subprocess.SubprocessError) as error:
                raise ValueError(f"not measured: {error}") from None

    def filler(self, size: str = "0") -> Iterator[bytes]:
        """So many bytes that nothing makes fewer, to measure how fast they come. Raises ``ValueError``."""
        count = whole(size, _SIZE_DIGITS)
        if count is None:
            raise ValueError("a size that does not fit")
        piece = os.urandom(_FILLER)
        return (piece[: count - at] for at in range(0, count, _FILLER))

    def variables(self) -> list[dict[str, Any]]:
        """What is kept of notebooks' variables, see kept_variables.py."""
        from .kept_variables import kept_variables  # noqa: PLC0415 - asked for by few sessions

        return kept_variables(self._root)

    def health(self, wait: str = "0") -> dict[str, bool]:
        """Whether the workload is well, see health.py; it has up to ``wait`` seconds to become so, unless it has ended.

        Raises ``ValueError`` for what is no number.
        """
        if not _WAIT.fullmatch(wait):
            raise ValueError("a number that does not fit")
        end = time.monotonic() + min(float(wait), _LONGEST_WAIT)
        while not (well := health.is_well(self._config)) and end_of(self._log) is None and time.monotonic() < end:
            time.sleep(_HEALTH_LOOK_SECONDS)
        return {"well": well}

    def keep_variables(self) -> dict[str, int]:
        """Have notebooks write down what their last cells made; how many have not when the time for it is over."""
        place = signal_files.place(self._config.log)
        end = time.monotonic() + _KEEP_SECONDS
        signal_files.hurry(place)
        while (late := signal_files.unkept(place)) and time.monotonic() < end:
            time.sleep(_KEEP_LOOK_SECONDS)
        return {"late": late}

    def move_deadline(self, seconds: object) -> dict[str, float]:
        """Set the deadline to ``seconds`` from now. Raises ``ValueError`` if that is no number in range."""
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_TERM:
            raise ValueError("seconds is not a number that fits")
        os.write(self._orders, b"%.3f\n" % (process_tree.clock() + seconds))
        return {}

    def lead(self, endpoint_token: object) -> dict[str, Any]:
        """Make this machine the head: its endpoint takes ``endpoint_token`` from now on, and variables come back.

        Raises ``ValueError`` for what is no token.
        """
        if not isinstance(endpoint_token, str) or not TOKEN.fullmatch(endpoint_token):
            raise ValueError("no token")
        self._config = self._config._replace(stands_by=False)
        os.write(self._orders, LEAD + endpoint_token.encode() + b"\n")
        return {}
