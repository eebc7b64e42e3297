"""Waiting with a time limit, without ``asyncio.wait_for``, which can lose a cancellation before Python 3.12.

When what was awaited ends in the very turn of the loop in which the waiter is cancelled, it returns as if nothing had
happened, and a task that serves in a loop goes on for ever while its owner waits for its end.
(https://github.com/python/cpython/issues/86296)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["begun_in_thread", "cancel_all", "each_alone", "first_of", "together", "wait_for"]

_LOG = logging.getLogger(__name__)

_T = TypeVar("_T")
_U = TypeVar("_U")


async def wait_for(awaitable: Awaitable[_T], seconds: float) -> _T:
    """The result of ``awaitable``, which is cancelled after ``seconds``: ``asyncio.TimeoutError`` then.

    A cancellation of the caller always reaches it.
    """
    async with asyncio.timeout(seconds):
        return await awaitable


async def together(*awaitables: Awaitable[Any]) -> list[Any]:
    """The results of all; when one fails, the others are cancelled and waited for, and its exception is raised."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancel_all(*tasks)


async def each_alone(*awaitables: Awaitable[_T]) -> list[_T]:
    """The results of those that succeed. One that fails is logged and holds up no other: for what is given back."""
    found: list[_T] = []
    for result in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(result, BaseException):
            _LOG.error("could not give something back in good order", exc_info=result)
        else:
            found.append(result)
    return found


async def begun_in_thread(begin: Callable[[], _T], undo: Callable[[_T], object]) -> _T:
    """What ``begin`` returns, called in a thread. Cancelled meanwhile, it calls ``undo`` with that, and raises then.

    A thread can't be cancelled: what it begins would be there, and known to nobody. Further cancellations change
    nothing, so both must be bounded in time.
    """

    async def undone() -> None:
        try:
            begun = await beginning
        except Exception:  # noqa: BLE001 - then nothing was begun
            return
        await asyncio.to_thread(undo, begun)

    beginning = asyncio.ensure_future(asyncio.to_thread(begin))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        undoing = asyncio.ensure_future(undone())
        while not undoing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(undoing)
        raise


@contextlib.asynccontextmanager
async def first_of(
    one: Awaitable[_T], other: Awaitable[_U], seconds: float | None = None
) -> AsyncIterator[tuple[asyncio.Future[_T], asyncio.Future[_U]]]:
    """Wait until one of two is over, or for ``seconds``; the block sees which. What then still runs is cancelled."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        yield tasks
    finally:
        await cancel_all(*tasks)


async def cancel_all(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them, and wait until they are over, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
