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
_IDLE_CORES = 0.3
"""So much of a core has to be left for another one. A machine that is made ready waits for others half of the time: the
first second it does nothing here, as its provider hears of its activity. So as many begin at once as a look finds room
for."""


class StartConcurrency:
    """The turns of machines that are to be made ready. Made where a loop runs."""

    def __init__(self, *, here: bool, clock: Callable[[], tuple[float, float]] | None = None) -> None:
        """``here``: the providers are on this computer.

        ``clock`` tells the seconds that pass and those for which cores were idle; this computer's without it.
        """
        self._here = here
        self._clock = clock or _this_computers
        self._line = asyncio.Lock()
        """Held by the next one."""
        self._taken = 0
        self._room, self._room_ends = 0, 0.0
        """For how many more the last look has found room, and until when that may count; in the loop's time."""

    @contextlib.asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the length of an ``async with`` block."""
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
        if self._taken < (_LEAST if self._here else _MOST):
            return True
        if self._taken >= _MOST or not self._room or asyncio.get_running_loop().time() > self._room_ends:
            return False
        self._room -= 1
        return True

    async def _look(self) -> None:
        """See, in a moment, for how many more there is room."""
        began, idle = self._clock()
        await asyncio.sleep(_LOOK_SECONDS)
        now, idle_now = self._clock()
        spare = (idle_now - idle) / max(now - began, _LOOK_SECONDS)
        self._room = int(spare / _IDLE_CORES) if self._here else 0
        self._room_ends = asyncio.get_running_loop().time() + _LOOK_SECONDS


def _this_computers() -> tuple[float, float]:
    return time.monotonic(), psutil.cpu_times().idle
