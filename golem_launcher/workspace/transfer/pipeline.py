"""Three steps that follow each other for one piece and run side by side for several, as all transfers here do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_Made = TypeVar("_Made")
_Carried = TypeVar("_Carried")


async def pipeline(
    make: Callable[[], Awaitable[_Made | None]],
    carry: Callable[[_Made], Awaitable[_Carried]],
    take: Callable[[_Carried], Awaitable[None]],
) -> None:
    """Have pieces made until there are none, each carried and taken: one is made and one taken while one is carried."""
    making, taking = asyncio.ensure_future(make()), asyncio.ensure_future(asyncio.sleep(0))
    try:
        while (made := await making) is not None:
            making = asyncio.ensure_future(make())
            carried = await carry(made)
            await taking
            taking = asyncio.ensure_future(take(carried))
        await taking
    finally:
        await cancel_all(making, taking)
