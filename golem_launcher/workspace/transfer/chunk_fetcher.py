"""Fetches the chunks that a store lacks, over the tunnel or by bulk transfer, whichever is faster.

Each chunk is re-hashed by the store. What has arrived is not asked for again, whatever breaks in between.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.waiting import cancel_all, together, wait_for
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.transfer.agent_workspace import read_frames
from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue
from golem_launcher.workspace.transfer.pipeline import pipeline
from golem_launcher.workspace.transfer.responses import Nonsense
from golem_launcher.workspace.transfer.space_limits import lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer, Pack

_LOG = logging.getLogger(__name__)
_MOST_AT_ONCE = 2048
"""Chunks: each request is a way there and back, however small what is asked for."""
_REQUEST_BYTES = 8_000_000
_PACK_BYTES = 48_000_000
"""In a file: half of it waits on disk at either end at worst."""
_PART_SECONDS = 4.0
"""What is asked for at once should not take longer: between parts others get their turn."""
_WRITE_BYTES = 4 * 1024 * 1024
_WORTH_IT = 2 * 1024 * 1024
"""So much has to be there before a file transfer is begun for it; the rest comes with the whole list."""
_MOST_WAITING = 2 * 1024 * 1024
"""Bytes of records: when more come while chunks are brought, the rest comes with the whole list, too."""


@dataclass(frozen=True)
class _Part:
    """Chunks that come in one file."""

    ids: Sequence[str]
    bytes: int
    """As the queue counts them."""
    pack: Pack


async def fetch_chunks(
    agent: AgentWorkspace,
    store: Store,
    wanted: ChunkQueue,
    go_on: Callable[[], bool] = lambda: True,
    brought: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Bring the ``wanted`` chunks and remove them from that queue; the ids of those that the provider no longer has.

    Asks for no more when ``go_on`` says no. ``brought`` is told of so many bytes more that are in the store.
    Raises ``ProviderError`` and ``WorkspaceError``.
    """
    gone: list[str] = []
    began = False
    while wanted and (not began or go_on()):
        began = True
        bulk = agent.bulk
        if bulk is not None and agent.throughput.prefers_bulk(wanted.bytes):
            gone += await _in_files(agent, bulk, store, wanted, go_on, brought=brought)
            return gone
        part = wanted.first(min(agent.throughput.bytes_by_tunnel(_PART_SECONDS), _REQUEST_BYTES), _MOST_AT_ONCE)
        patience = agent.throughput.patience(wanted.bytes) if bulk is not None else None
        found, done = await _over_tunnel(agent, store, part, patience)
        gone += found
        brought(wanted.take(done))
    return gone


async def _over_tunnel(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], patience: float | None
) -> tuple[list[str], int]:
    """What is gone of them, and how many came; fewer than all when it took longer than ``patience``."""
    gone: list[str] = []
    waiting: list[tuple[str, bytes]] = []
    loop_time = asyncio.get_running_loop().time
    began, received, done, size = loop_time(), agent.received, 0, 0

    async def bring() -> None:
        nonlocal waiting, done, size
        async for chunk, data in agent.chunks(ids):
            done += 1
            if data is None:
                gone.append(chunk)
                continue
            waiting.append((chunk, data))
            size += len(data)
            if size >= _WRITE_BYTES:
                full, waiting, size = waiting, [], 0
                await asyncio.to_thread(_put, store, full)

    try:
        await (bring() if patience is None else wait_for(bring(), patience))
    except TimeoutError:
        pass  # the throughput has been corrected by it
    finally:  # also what came before a connection broke
        agent.throughput.tunnel_took(agent.received - received, loop_time() - began)
        await asyncio.to_thread(_put, store, waiting)
    return gone, done


async def _in_files(
    agent: AgentWorkspace,
    bulk: BulkTransfer,
    store: Store,
    wanted: ChunkQueue,
    go_on: Callable[[], bool],
    *,
    brought: Callable[[int], None],
) -> list[str]:
    """The provider packs a file while the one before travels and the one before that is stored."""
    clock = asyncio.get_running_loop().time
    gone: list[str] = []
    begun = False
    under_way: list[Pack] = []

    async def make() -> _Part | None:
        nonlocal begun
        if not wanted or (begun and not go_on()):
            return None
        begun = True
        seconds = max(_PART_SECONDS, 3 * agent.throughput.bulk(0))
        ids = wanted.first(min(agent.throughput.bytes_by_bulk(seconds), _PACK_BYTES), _MOST_AT_ONCE)
        size = wanted.take(len(ids))
        part = _Part(ids, size, await agent.pack(ids))
        under_way.append(part.pack)
        return part

    async def carry(part: _Part) -> _Part:
        began = clock()
        await agent.fetch(bulk, part.pack.name, part.pack.path, part.pack.size)
        agent.throughput.bulk_took(part.pack.size, clock() - began)
        return part

    async def take(part: _Part) -> None:
        gone.extend(await asyncio.to_thread(read_frames, part.pack.path, part.ids, store.put_chunk))
        under_way.remove(part.pack)
        await agent.discard(part.pack)
        brought(part.bytes)

    try:
        await pipeline(make, carry, take)
    finally:
        await together(*map(agent.discard, under_way))
    return gone


class Prefetch:
    """Fetches chunks while the list of changes is still coming in, for the saver that reads it.

    Works inside ``async with``; at the end of it nothing more is asked for, and what is under way is waited for.

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


def _put(store: Store, chunks: list[tuple[str, bytes]]) -> None:
    for chunk, data in chunks:
        store.put_chunk(chunk, data)
