"""How fast a piece of work gets on, and so how long it still takes."""

from __future__ import annotations

import collections
import time

from golem_launcher.events import Progress

SOON_SECONDS = 1.0
"""Whoever waits in a notebook, or in Python, is told nothing of what takes no longer."""
_OF_LATE_SECONDS = 10.0
"""The speed that is told is that of the last so many seconds."""
_LEAST_SECONDS = 0.9


class Speed:
    """The speed of one piece of work."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, float]] = collections.deque()

    def at(self, done: float) -> float:
        """How much is done in a second, now that so much is done; 0 while it is not known, or when it began again."""
        now = time.monotonic()
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _OF_LATE_SECONDS:  # noqa: PLR2004
            self._seen.popleft()
        began, before = self._seen[0]
        return (done - before) / (now - began) if now - began >= _LEAST_SECONDS else 0.0


class SoFar:
    """How far some bytes are: told by the thread that moves them, asked for by another that shows it."""

    def __init__(self) -> None:
        self._speed = Speed()
        self._told = (0, 0)

    def told(self, done: int, total: int) -> None:
        """Take how many of how many are done by now."""
        self._told = done, total

    def far(self) -> tuple[str, float | None]:
        """In words, and of 1; no words and ``None`` before the first."""
        done, total = self._told
        progress = Progress(what="", done=done, total=total, unit="bytes", rate=self._speed.at(done))
        return progress.figures, progress.share
