"""Fetches chunks while the list of changes is still coming in."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.waiting import cancel_all
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.transfer.chunk_fetcher import fetch_chunks
from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue
from golem_launcher.workspace.transfer.responses import Nonsense
from golem_launcher.workspace.transfer.space_limits import lacking

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace

_LOG = logging.getLogger(__name__)
_WORTH_IT = 2 * 1024 * 1024
"""So much has to be there before a file transfer is begun for it; the rest comes with the whole list."""


_MOST_WAITING = 2 * 1024 * 1024
"""Bytes of records: when more come while chunks are brought, the rest comes with the whole list, too."""


class Prefetch:
    """Works inside ``async with``; at the end of it nothing more is asked for, and what is under way is waited for.

    What was not brought, for whatever reason, is missing in the store still: who commits looks there.
    """

    def __init__(self, agent: AgentWorkspace, store: Store, most_bytes: int) -> None:
        self._agent = agent
        self._store = store
        self._left = most_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._wanted = ChunkQueue()
        self._work: asyncio.Task[None] | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting, self._over = [], True
        if self._work is None:
            return
        if error is not None:
            await cancel_all(self._work)
        else:
            await self._work

    def saw(self, records: list[bytes]) -> None:
        """Fetch the chunks of these records, which have just come in the list, up to ``most_bytes`` of files in all."""
        for each in records:
            self._left -= entry_record.data(each)
            if self._left >= 0 and self._waiting_bytes < _MOST_WAITING:
                self._waiting.append(each)
                self._waiting_bytes += len(each)
        if self._waiting and self._work is None:
            self._work = asyncio.create_task(self._bring())

    async def _bring(self) -> None:
        try:
            while self._waiting:
                records, self._waiting, self._waiting_bytes = self._waiting, [], 0
                await asyncio.to_thread(lacking, self._store, records, self._wanted)
                if self._agent.bulk is not None and self._wanted.bytes < _WORTH_IT:
                    continue
                wanted, self._wanted = self._wanted, ChunkQueue()
                await fetch_chunks(self._agent, self._store, wanted, lambda: not self._over)
        except Nonsense:
            raise
        except LauncherError as error:
            _LOG.debug("not prefetched: %s", error)  # who brings the rest meets the same, and tells it
        self._work = None
