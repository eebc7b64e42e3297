"""A function for many values, each at a machine of its own: the results, in the order of the values."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.tasks.executor import Executor

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import AsyncIterator, Callable, Iterable
    from decimal import Decimal

_T = TypeVar("_T")


def map(  # noqa: A001 - what it is called everywhere
    function: Callable[[Any], _T],
    items: Iterable[Any],
    *,
    workers: int = 3,
    budget: Decimal | float | str = 1,
    return_exceptions: bool = False,
    **options: Any,
) -> list[_T]:
    """The results of ``function`` for all ``items``, in their order; ``options`` are :class:`Executor`'s.

    Raises what a call of it raised, the first in the order of the items, and what was not begun then is dropped; with
    ``return_exceptions`` it stands in the result's place, and all is done.
    """
    work = list(items)
    if not work:
        return []
    with Executor(_needed(workers, len(work), options.get("verify", 1)), budget=budget, **options) as executor:
        packed = executor.packed(function)
        futures = [executor.submit(packed, item) for item in work]
        try:
            return [_outcome_of(future) if return_exceptions else future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


async def map_async(
    function: Callable[[Any], _T], items: Iterable[Any], *, workers: int = 3, **options: Any
) -> AsyncIterator[_T]:
    """The results of ``function`` for all ``items``, in their order and as they come, where a loop runs."""
    work = list(items)
    async with Executor(_needed(workers, len(work), options.get("verify", 1)), **options) as executor:
        packed = executor.packed(function)
        futures = [executor.submit(packed, item) for item in work]
        try:
            for future in futures:
                yield await asyncio.wrap_future(future)
        finally:
            for future in futures:
                future.cancel()


def _needed(workers: int, items: int, verify: Any) -> int:
    """No more machines than there is work for; what is wrong with a number the executor says."""
    fits = isinstance(workers, int) and isinstance(verify, int) and workers > 0 and verify > 0 and items > 0
    return min(workers, items * verify) if fits else workers


def _outcome_of(future: concurrent.futures.Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error
