"""Captures a command's output as asked, within a budget shared by its script."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.localnet.exeunit.script import Capture

Output = str | list[int]
"""Output on the bus: text, or numbers from 0 to 255."""


@dataclass
class OutputBudget:
    """Bytes of output that may still be kept."""

    left: int

    def take(self, wanted: int) -> int:
        """As much of ``wanted`` as there is."""
        given = min(wanted, self.left)
        self.left -= given
        return given


class CapturedOutput:
    """One output stream of one command."""

    def __init__(self, capture: Capture, budget: OutputBudget) -> None:
        self.stream = capture.stream
        self._capture = capture
        self._budget = budget
        self._head = bytearray()
        self._tail = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> Output | None:
        """Take more output; what of it goes into the stream of events, ``None`` for nothing."""
        capture = self._capture
        room = len(data) if capture.head is None else max(0, capture.head - len(self._head))
        within = data[:room]
        self._head += within[: self._budget.take(len(within))]
        if capture.tail:
            self._tail = (self._tail + data[room:])[-capture.tail :]
            if len(self._tail) > self._budget.left:
                self._tail = self._tail[len(self._tail) - self._budget.left :]
        if not (capture.stream and within):
            return None
        if capture.binary:
            return list(within)
        return self._decoder.decode(within) or None

    def output(self) -> Output | None:
        """What was kept, ``None`` for nothing."""
        kept = bytes(self._head + self._tail)
        if not kept:
            return None
        return list(kept) if self._capture.binary else kept.decode(errors="replace")
