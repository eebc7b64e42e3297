"""Brings the chunks that a store lacks from a provider: a few over the tunnel, bulk in files by the carry.

Each chunk is re-hashed by the store. What has arrived is not asked for again, whatever breaks in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.errors import WorkspaceError
from golem_launcher.waiting import cancel_all
from golem_launcher.workspace.frames import read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from golem_launcher.workspace.manifest import Entry
    from golem_launcher.workspace.remote import AgentWorkspace
    from golem_launcher.workspace.store import Store

BULK_BYTES = 2 * 1024 * 1024
"""From here on a file transfer, which costs its own half a second, is faster than the tunnel."""
SPARE_DISK = 256 * 1024 * 1024
"""What a save leaves free on the disk here."""
_PER_REQUEST = 32
_PER_PACK = 192
"""Chunks in a file: 48 MB, half of which wait on disk at either end at worst."""
_WRITE_BYTES = 4 * 1024 * 1024
_GIGA = 1e9


def ordered_missing(store: Store, entries: Iterable[Entry]) -> tuple[list[str], int]:
    """The chunks that the store lacks, in the order of the files, and about how many bytes they are. Blocking."""
    sizes: dict[str, int] = {}
    for entry in entries:
        for chunk in entry.chunks:
            sizes.setdefault(chunk, entry.size // len(entry.chunks))
    lacking = store.missing(sizes)
    return [chunk for chunk in sizes if chunk in lacking], sum(sizes[chunk] for chunk in lacking)


async def pull(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], size: int, arrived: Callable[[int], None]
) -> list[str]:
    """Bring these chunks, ``size`` bytes or so; those that are not there any more.

    ``arrived`` gets the number of chunks stored. Raises ``ProviderError`` and ``WorkspaceError``.
    """
    if not ids:
        return []
    await asyncio.to_thread(_check_room, store, size)
    if agent.carry is not None and size >= BULK_BYTES:
        return await _in_files(agent, store, ids, arrived)
    return await _over_tunnel(agent, store, ids, arrived)


async def _over_tunnel(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], arrived: Callable[[int], None]
) -> list[str]:
    gone: list[str] = []
    done = 0
    for start in range(0, len(ids), _PER_REQUEST):
        waiting: list[tuple[str, bytes]] = []
        try:
            async for chunk, data in agent.chunks(ids[start : start + _PER_REQUEST]):
                if data is None:
                    gone.append(chunk)
                    continue
                waiting.append((chunk, data))
                if sum(len(data) for _, data in waiting) >= _WRITE_BYTES:
                    full, waiting = waiting, []
                    await asyncio.to_thread(_put, store, full)
        finally:  # also what came before a connection broke
            await asyncio.to_thread(_put, store, waiting)
        done += min(_PER_REQUEST, len(ids) - start)
        arrived(done)
    return gone


async def _in_files(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], arrived: Callable[[int], None]
) -> list[str]:
    """The provider packs a file while the one before travels and the one before that is stored."""
    parts = [ids[start : start + _PER_PACK] for start in range(0, len(ids), _PER_PACK)]
    queue: asyncio.Queue[tuple[Path, Sequence[str]] | None] = asyncio.Queue(1)

    async def fetch() -> None:
        ahead = asyncio.ensure_future(agent.pack(parts[0]))
        try:
            for number, part in enumerate(parts):
                path = await ahead
                if number + 1 < len(parts):
                    ahead = asyncio.ensure_future(agent.pack(parts[number + 1]))
                await queue.put((path, part))
            await queue.put(None)
        finally:
            await cancel_all(ahead)

    gone: list[str] = []
    done = 0
    fetching = asyncio.ensure_future(fetch())
    try:
        while True:
            waiting = asyncio.ensure_future(queue.get())
            await asyncio.wait({waiting, fetching}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                fetching.result()
                continue  # it has ended well: its last word is in the queue
            found = waiting.result()
            if found is None:
                return gone
            path, part = found
            try:
                gone += await asyncio.to_thread(read_frames, path, part, store.put_chunk)
            finally:
                path.unlink(missing_ok=True)
            done += len(part)
            arrived(done)
    finally:
        await cancel_all(fetching)


def _put(store: Store, chunks: list[tuple[str, bytes]]) -> None:
    for chunk, data in chunks:
        store.put_chunk(chunk, data)


def _check_room(store: Store, size: int) -> None:
    """Raise ``WorkspaceError`` when this computer's disk has no room for so many bytes more."""
    places = [paths.home()]
    if store.shown and "://" not in store.shown:
        places.append(Path(store.shown).expanduser())
    for place in places:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(place).free
            if free < size + SPARE_DISK:
                raise WorkspaceError(
                    f"The disk of {place} has {_amount(free)} free; the new files take {_amount(size)}, and "
                    f"{_amount(SPARE_DISK)} stay free for all else.",
                    "Make room there.",
                )


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= _GIGA else f"{size / 1e6:.1f} MB"
