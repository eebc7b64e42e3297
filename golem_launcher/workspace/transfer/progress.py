"""How far something is that is brought to a session or from it, for whoever waits for it."""

from __future__ import annotations

import re
import time
from typing import Protocol

from golem_launcher.units import counted

_FETCHED = re.compile(
    r"(?:Downloading|Using cached|Processing) (?:\S*/)?([A-Za-z0-9][A-Za-z0-9._]*)-\d\S*\.(?:whl|tar\.gz|zip)(?: |$)"
)
_BUILT = re.compile(r"Building wheel for ([A-Za-z0-9][A-Za-z0-9._-]*) ")
_UNPACKED = "Installing collected packages: "
_LONGEST_NAME = 40
_SHORT_SECONDS = 1.0
_MOST_STEPS = 2000
"""A stranger may say much."""


class ReportProgress(Protocol):
    """What is told of it, as often as there is something new.

    ``unit`` is bytes or packages; a ``total`` of 0 is not known, and ``detail`` says what happens then.
    """

    def __call__(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """A piece of work is that far; it is over when all of a known total is done."""


def untold(what: str, done: int, total: int, unit: str, detail: str = "") -> None:
    """Reports nothing: the :data:`ReportProgress` of work that nobody watches."""


class Bringing:
    """Bytes that are brought together, ``total`` of them: how many there are by now. What is soon over is not told."""

    def __init__(self, progress: ReportProgress, what: str, total: int) -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._done = 0
        self._told = False
        self._began = time.monotonic()

    def brought(self, size: int) -> None:
        """Count ``size`` more bytes, and report how far it is unless it has only begun."""
        self._done += size
        if time.monotonic() - self._began >= _SHORT_SECONDS:
            self._told = True
            self._progress(self._what, min(self._done, self._total), self._total, "bytes")

    def over(self) -> None:
        """No more come, whether or not that was all."""
        if self._told:
            self._progress(self._what, self._total, self._total, "bytes")


class PipSteps:
    """Reads what pip prints, one line after the other: how many packages it has, and which it is at."""

    def __init__(self) -> None:
        self.fetched = self._steps = 0
        self.detail = ""
        """What pip does, in a few words; empty until it has said something that tells."""

    def read(self, line: str) -> bool:
        """Whether this line, which is a stranger's and cleaned, says that it has come further."""
        if self._steps == _MOST_STEPS:
            return False
        if fetched := _FETCHED.match(line):
            self.fetched += 1
            self.detail = f"fetching {fetched[1][:_LONGEST_NAME]}, {counted(self.fetched, 'package')} so far"
        elif built := _BUILT.match(line):
            self.detail = f"building {built[1][:_LONGEST_NAME]}"
        elif line.startswith(_UNPACKED):
            self.detail = f"unpacking {counted(line.count(',') + 1, 'package')}"
        else:
            return False
        self._steps += 1
        return True
