"""Runs the page's background work, and reports its failures.

JupyterLab may deliver widget messages on a thread of its own with a loop of its own (a kernel subshell), and Voilà
shows neither output nor exceptions of callbacks. So nothing here runs where it is called: it goes to the one loop
captured at the start, and a failure goes to ``report``.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

    import ipywidgets


class Background:
    """Owns the tasks of one page; ``report`` is called, on the loop, with every exception that escapes one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._context = contextvars.copy_context()
        """Where it was made. A kernel takes a widget's messages to where its last one was sent from, which may be a
        subshell that goes with a notebook's tab: work that outlives a message must not belong to it."""
        self.report = report
        self._running: set[Future[None]] = set()

    def start(self, work: Callable[[], Awaitable[None]]) -> Future[None]:
        """Run ``work`` on the page's loop; may be called from any thread. What is cancelled first never begins."""
        future = self._context.copy().run(asyncio.run_coroutine_threadsafe, self._guarded(work), self._loop)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def receives(self, widget: ipywidgets.Widget, receive: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Hand every custom message of ``widget``'s front ends to ``receive``, on the page's loop.

        The message's binary parts are in it as ``buffers``.
        """

        def on_message(_widget: ipywidgets.Widget, content: Any, buffers: Any) -> None:
            if isinstance(content, dict):
                self.start(functools.partial(receive, {**content, "buffers": buffers}))

        widget.on_msg(on_message)

    def close(self) -> None:
        """Cancel what still runs. Called when the page is closed."""
        for future in tuple(self._running):
            future.cancel()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - this is the one place where every failure must become visible
            self.report(error)
