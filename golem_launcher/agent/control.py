"""What the launcher asks of the agent while a workload runs: its log, what it uses, another deadline."""

from __future__ import annotations

import os
import re
import select
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from . import proc
from .log import OFFSET, read_log
from .usage import usage

if TYPE_CHECKING:
    from .config import Config

_LARGEST_PIECE = 128 * 1024
_USUAL_WAIT = "20"
_LONGEST_WAIT = 25.0
_LONGEST_TERM = 400 * 86400.0
_WAIT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


class LogPiece(NamedTuple):
    """Bytes of the log, and the offset at which it goes on: further than their number where some are gone."""

    data: bytes
    following: int


class Control:
    """Made in a child of the keeper's. Its methods are called by threads of the server, any number at a time.

    ``bell`` becomes readable when the log has grown, and ends with the keeper; the keeper reads new deadlines from
    ``orders``, one line each, in seconds by the clock of ``proc.clock``.
    """

    def __init__(self, config: Config, bell: int, orders: int) -> None:
        self._log = config.log
        self._root = config.root
        self._bell = bell
        self._orders = orders
        self._keeper = os.getppid()
        self._grown = threading.Condition()

    def follow(self) -> None:
        """Wake those who wait for the log whenever it grows, until the keeper is gone."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while True:
            poll.poll()
            if not os.read(self._bell, 65536):
                return
            with self._grown:
                self._grown.notify_all()

    def log(self, offset: str = "0", wait: str = _USUAL_WAIT) -> LogPiece:
        """The log from ``offset`` on; waits up to ``wait`` seconds for the first byte. Raises ``ValueError``."""
        if not OFFSET.fullmatch(offset) or not _WAIT.fullmatch(wait):
            raise ValueError("a number that does not fit")
        end = time.monotonic() + min(float(wait), _LONGEST_WAIT)
        with self._grown:
            while True:
                at, data = read_log(self._log, int(offset), _LARGEST_PIECE)
                left = end - time.monotonic()
                if data or left <= 0:
                    return LogPiece(data, at + len(data))
                self._grown.wait(left)

    def usage(self) -> dict[str, float]:
        """What the agent and all below it use, see usage.py."""
        return usage(self._keeper, self._root)

    def move_deadline(self, seconds: object) -> dict[str, float]:
        """Everything ends so many seconds from now. Raises ``ValueError`` for what is no such number."""
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_TERM:
            raise ValueError("seconds is not a number that fits")
        os.write(self._orders, b"%.3f\n" % (proc.clock() + seconds))
        return {}
