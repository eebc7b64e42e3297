"""A bad line for tests and misbehaving providers: drops, delays, reorders and duplicates frames by a seeded rule."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class LineRule:
    """What happens to frames; shares are from 0 to 1, times in seconds. The same seed makes the same choices."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay: float = 0.0  # of every frame
    jitter: float = 0.0  # at most that much more, at random: frames overtake each other
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicates"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1")
        for name in ("delay", "jitter"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")


class FrameFate:
    """Decides frame by frame; knows no clock."""

    def __init__(self, rule: LineRule) -> None:
        self._rule = rule
        self._random = Random(rule.seed)  # noqa: S311 - a repeatable choice, not a secret

    def delays(self) -> tuple[float, ...]:
        """How long each copy of the next frame takes; empty when it is lost."""
        rule, random = self._rule, self._random.random
        if random() < rule.loss:
            return ()
        copies = 2 if random() < rule.duplicates else 1
        return tuple(rule.delay + rule.jitter * random() for _ in range(copies))


class BadLine:
    """Stands between a sender and ``deliver``; at most ``limit`` frames wait. To be made inside a running loop."""

    def __init__(self, deliver: Callable[[bytes], None], rule: LineRule, *, limit: int = 4096) -> None:
        self.lost = 0
        self._deliver = deliver
        self._fate = FrameFate(rule)
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.TimerHandle] = set()

    def send(self, frame: bytes) -> None:
        """Takes a frame; what is delivered at once is delivered before this returns."""
        delays = self._fate.delays()
        if not delays:
            self.lost += 1
        for delay in delays:
            if delay == 0:
                self._deliver(frame)
            elif len(self._waiting) >= self._limit:
                self.lost += 1
            else:
                self._later(delay, frame)

    def close(self) -> None:
        """Loses what is under way."""
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()

    def _later(self, delay: float, frame: bytes) -> None:
        def arrive() -> None:
            self._waiting.discard(handle)
            self._deliver(frame)

        handle = self._loop.call_later(delay, arrive)
        self._waiting.add(handle)
