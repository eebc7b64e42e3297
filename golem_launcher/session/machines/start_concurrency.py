"""How many machines of a pool are made ready at a time, so that the first of them work before the last are begun."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_MOST = 12
"""So many at a time: each is work for the node, and a provider is paid while it waits for that."""
_LEAST = 2
"""So many in any case, where machines have to share this computer's cores."""
_LOOK_SECONDS = 0.1
_IDLE_CORES = 0.5
"""So much of a core has to be left for another one, which takes that from then on until it is ready."""


class StartConcurrency:
    """The turns of machines that are to be made ready. Made where a loop runs."""

    def __init__(self, *, here: bool, clock: Callable[[], tuple[float, float]] | None = None) -> None:
        """``here``: the providers are on this computer.

        ``clock`` tells the seconds that pass and those for which cores were idle; this computer's without it.
        """
        self._here = here
        self._clock = clock or _this_computers
        self._rented = asyncio.Semaphore(_MOST)
        self._line = asyncio.Lock()
        """Held by the next one for which there is to be room."""
        self._taken = 0
        self._room, self._room_ends = 0, 0.0
        """For how many more the last look has found room, and until when that may count; in the loop's time."""

    @contextlib.asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Wait for a turn to be rented and made ready, and have it for the length of an ``async with`` block."""
        async with self._rented:
            yield

    @contextlib.asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Wait until there is room for what this computer has to do where the provider is here, and have it likewise.

        Asked for once the provider has heard of its activity: for the second until then nobody does anything.
        """
        if not self._here:
            yield
            return
        async with self._line:
            while not self._may_begin():
                await self._look()
            self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def _may_begin(self) -> bool:
        """Whether another one may begin by now; what there is room for is taken then."""
        if self._taken < _LEAST:
            return True
        if not self._room or asyncio.get_running_loop().time() > self._room_ends:
            return False
        self._room -= 1
        return True

    async def _look(self) -> None:
        """See, in a moment, for how many more there is room."""
        began, idle = self._clock()
        await asyncio.sleep(_LOOK_SECONDS)
        now, idle_now = self._clock()
        spare = (idle_now - idle) / max(now - began, _LOOK_SECONDS)
        self._room = int(spare / _IDLE_CORES)
        self._room_ends = asyncio.get_running_loop().time() + _LOOK_SECONDS


def _this_computers() -> tuple[float, float]:
    return time.monotonic(), psutil.cpu_times().idle
