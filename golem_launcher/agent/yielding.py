"""Yields to the event loop while input of thousands of small parts is processed."""

from __future__ import annotations

import asyncio
import time

_SECONDS = 0.01


class Turns:
    """Of one worker. It says after each part that others may go on now; they do, a hundred times a second."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def others(self) -> None:
        """Let the others go on, when it is time to."""
        if time.monotonic() - self._began > _SECONDS:
            await asyncio.sleep(0)
            self._began = time.monotonic()
