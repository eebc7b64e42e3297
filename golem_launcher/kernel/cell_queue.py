"""The cells that wait for their turn, and the number of the last one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.kernel.pending_requests import Request

_MOST_CELLS = 1 << 31


class CellQueue:
    """The cells of all clients in their order."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._next: Request | None = None
        """The one that waits until those before it are over."""
        self._another = asyncio.Event()
        self.count = 0
        """The number of the last cell."""

    def add(self, cell: Request) -> None:
        """Add a cell at the end."""
        self._waiting.append(cell)
        self._another.set()

    async def take(self) -> Request:
        """Wait for the next cell. It still may be aborted until :meth:`begun` is called."""
        while not self._waiting:
            self._another.clear()
            await self._another.wait()
        self._next = self._waiting.popleft()
        return self._next

    def begun(self) -> None:
        """Say that the cell that was taken runs now."""
        self._next = None

    def note_failure(self, cell: Request, content: dict[str, Any]) -> None:
        """Abort the cells that wait behind one that failed, as kernels do. ``content``: of its reply."""
        if content.get("status") == "error" and cell.content.get("stop_on_error", True):
            for other in (*self._waiting, *([self._next] if self._next is not None else [])):
                other.aborted = True


def count_of(reply: dict[str, Any]) -> int:
    """The number of the cell by a reply; 0: it has none that could be."""
    count = reply.get("execution_count")
    return count if isinstance(count, int) and 0 < count < _MOST_CELLS else 0
