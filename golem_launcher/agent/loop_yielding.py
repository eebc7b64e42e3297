"""Yields to the event loop while input of thousands of small parts is processed."""

from __future__ import annotations

import asyncio
import time

_SECONDS = 0.01


class LoopTurns:
    """Lets one long task yield: it calls this after each part, and a hundred times a second others get their turn."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def others(self) -> None:
        """Let the others go on, when it is time to."""
        if time.monotonic() - self._began > _SECONDS:
            await asyncio.sleep(0)
            self._began = time.monotonic()
