"""Time limits for a provider's answers, so that a slow one can't hold up the following saves.

An answer has a deadline for the whole of it, one for its beginning (a stranger may say "wait" for ever), and where it
is long a least rate. What is merely slow (a first look at a large workspace) stays within them; what is not done then
goes on over there, and the next question finds it further on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEAST_RATE = 8 * 1024
"""Bytes a second: a line that is slower than this, on the average, saves nothing."""
_WINDOW_SECONDS = 20.0
"""The average is that of so many seconds."""


@dataclass(frozen=True)
class Timeouts:
    """The limits of one answer, in seconds."""

    whole: float = 15.0
    head: float = 15.0
    """Until it begins."""
    silence: float = 20.0
    """Between any two bytes."""
    least_rate: float = 0.0
    """Bytes a second of its body."""

    async def keep(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass the pieces on. Raises ``ProviderError`` when they come too slowly; only waiting for them counts."""
        clock = asyncio.get_running_loop().time
        waited, arrived = 0.0, 0
        while True:
            began = clock()
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            waited += clock() - began
            arrived += len(piece)
            if waited >= _WINDOW_SECONDS:
                if arrived < self.least_rate * waited:
                    raise ProviderError("The provider's answer comes too slowly.")
                waited, arrived = 0.0, 0
            yield piece


PROMPT = Timeouts()
"""A question that needs no work."""
DROP = Timeouts(whole=5.0, head=5.0)
"""What is asked for the sake of order, maybe on the way out."""
KEEP_VARIABLES = Timeouts(whole=8.0, head=8.0)
"""What notebooks' kernels do before a save, as far as they have the time."""
WORK = Timeouts(whole=120.0, head=120.0, silence=120.0)
"""What is answered when it is done: packing or unpacking a few megabytes, the last steps of a restore."""
LOOK = Timeouts(whole=240.0, head=30.0, silence=60.0)
"""What changed: of one large file nothing is heard while it is read."""


def bulk(size: int) -> Timeouts:
    """An answer of at most ``size`` bytes."""
    return Timeouts(whole=60.0 + size / LEAST_RATE, head=30.0, silence=_WINDOW_SECONDS, least_rate=LEAST_RATE)


def sending(size: int) -> Timeouts:
    """A question of ``size`` bytes, and the work that follows."""
    return Timeouts(whole=WORK.whole + size / LEAST_RATE, head=WORK.head + size / LEAST_RATE, silence=WORK.silence)


def installing(seconds: float) -> Timeouts:
    """pip, which was given ``seconds``."""
    return Timeouts(whole=seconds + 60.0, head=30.0, silence=seconds + 30.0)
