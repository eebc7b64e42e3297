"""Has what several threads wrote taken to the disk together: it takes as long for one as for many."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class GroupCommit:
    """Calls ``sync``, which takes all that was written so far to the disk, once for as many callers as there are."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._asking, self._syncing = threading.Lock(), threading.Lock()
        self._asked = self._sure = 0

    def commit(self) -> None:
        """What the caller has written is on the disk once this returns. Blocking. Raises what ``sync`` does."""
        with self._asking:
            self._asked += 1
            number = self._asked
        with self._syncing:
            if self._sure < number:  # nobody took it along meanwhile
                asked = self._asked
                self._sync()
                self._sure = asked
