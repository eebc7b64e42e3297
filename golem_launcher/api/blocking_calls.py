"""Calls that block, made so that they can be given up, and that a notebook's event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Pause = Callable[[float], None]
    """Waits so many seconds; raises when whoever waits gave up."""

_T = TypeVar("_T")
_LOOK_SECONDS = 0.02


class GivenUp(Exception):  # noqa: N818 - reads as what it says
    """The task that waits was cancelled."""


def pause_here() -> Pause:
    """How this thread waits: where a loop runs in it (a notebook's), that goes on meanwhile."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return time.sleep
    import nest_asyncio  # noqa: PLC0415 - patches asyncio, so only here and only now

    nest_asyncio.apply(loop)
    return lambda seconds: loop.run_until_complete(asyncio.sleep(seconds))


def in_thread(function: Callable[..., _T], *args: Any, **kwargs: Any) -> Future[_T]:
    """Begin a blocking call in a thread of its own, which does not keep the program from ending."""
    future: Future[_T] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            future.set_result(context.run(function, *args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def result(future: Future[_T], pause: Pause, look: Callable[[], None] = lambda: None) -> _T:
    """Wait for a call that was begun; ``look`` is called meanwhile, again and again."""
    while not future.done():
        look()
        pause(_LOOK_SECONDS)
    return future.result()


def blocking(function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    """Make a blocking call; an interrupt ends the waiting at once, and not what was asked for."""
    return result(in_thread(function, *args, **kwargs), pause_here())


async def awaited(function: Callable[[Pause], _T]) -> _T:
    """Make a blocking call that waits by ``pause`` in a thread. A cancelled task has it give up, and waits for that."""
    given_up = threading.Event()

    def pause(seconds: float) -> None:
        if given_up.wait(seconds):
            raise GivenUp

    call = asyncio.wrap_future(in_thread(function, pause))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait([call])
        if not call.cancelled():
            call.exception()  # it was told there
        raise
