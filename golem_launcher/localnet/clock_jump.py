"""Restarts what depends on the time of day when the clock is set: offers and streams of events name moments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_LOOK_SECONDS, _APART_SECONDS = 1.0, 30.0
"""How often it is looked at, and what is more than a rounding of it."""


async def is_set() -> None:
    """Wait until the time of day of this computer is set."""
    before = clock.set_forth()
    while abs(clock.set_forth() - before) < _APART_SECONDS:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(_LOOK_SECONDS)


async def anew_when_set(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Do ``work``, and from its beginning again whenever the time of day is set; until it ends, or raises."""
    while True:
        working, setting = asyncio.create_task(work()), asyncio.create_task(is_set())
        try:
            await asyncio.wait({working, setting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_all(working, setting)
        if not working.cancelled():
            return working.result()
