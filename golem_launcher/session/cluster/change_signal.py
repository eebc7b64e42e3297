"""Wakes whoever waits for a change of a cluster: each of its machines is then told of it."""

from __future__ import annotations

import asyncio


class ChangeSignal:
    """Wakes up whoever waits for the next change. One for each cluster, which tells of its own."""

    def __init__(self) -> None:
        self.next = asyncio.Event()
        """Set at the next change. Taken before one looks at how things are, so that no change is missed meanwhile."""

    def tell(self) -> None:
        """Wake up everyone who waits for the next change. Called by the cluster when there is one."""
        self.next.set()
        self.next = asyncio.Event()
