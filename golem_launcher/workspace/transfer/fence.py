"""A fence before the store: what comes from a machine that is no longer the session's first does not pass.

A save of a machine that was silent may be under way, in a thread that nobody can stop, when another machine takes over.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fence:
    """One machine's fence: open while it is the head, then closed for good. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Let nothing pass any more. Blocking: a generation that is being written counts, and is waited for."""
        with self._lock:
            self._closed = True

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Write a generation in a ``with`` block. Raises ``WorkspaceError`` once the fence is closed."""
        with self._lock:
            if self._closed:
                raise WorkspaceError("This machine is no longer the session's: nothing of it is saved any more.")
            yield
