"""Brings chunks while the list of what changed is still coming in: the provider reads on meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.waiting import cancel_all
from golem_launcher.workspace.pull import BULK_BYTES, ordered_missing, pull

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from golem_launcher.workspace.manifest import Entry
    from golem_launcher.workspace.remote import AgentWorkspace
    from golem_launcher.workspace.store import Store


class Ahead:
    """Works inside ``async with``, and at the end of it waits for what is under way.

    What was not brought, for whatever reason, is missing in the store still: who commits looks there.
    """

    def __init__(self, agent: AgentWorkspace, store: Store, most_bytes: int) -> None:
        self._agent = agent
        self._store = store
        self._left = most_bytes
        self._waiting: list[Entry] = []
        self._lacking: list[str] = []
        self._bytes = 0
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting = []
        if self._work is None:
            return
        if error is not None:
            await cancel_all(self._work)
        else:
            await self._work

    def saw(self, entries: list[Entry]) -> None:
        """These entries are new in the list. No more is brought than ``most_bytes`` of files have."""
        for entry in entries:
            self._left -= entry.size
            if self._left >= 0:
                self._waiting.append(entry)
        if self._waiting and self._work is None:
            self._work = asyncio.create_task(self._bring())

    async def _bring(self) -> None:
        while self._waiting:
            entries, self._waiting = self._waiting, []
            ids, size = await asyncio.to_thread(ordered_missing, self._store, entries)
            self._lacking += ids
            self._bytes += size
            if self._agent.carry is not None and self._bytes < BULK_BYTES:
                continue  # a file transfer of its own is not worth it yet
            ids, self._lacking, size, self._bytes = self._lacking, [], self._bytes, 0
            await pull(self._agent, self._store, list(dict.fromkeys(ids)), size, lambda _: None)
        self._work = None
