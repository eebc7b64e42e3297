"""Brings the chunks that a store lacks from a provider, by the tunnel or in files by the carry: what is faster.

Each chunk is re-hashed by the store. What has arrived is not asked for again, whatever breaks in between.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.waiting import cancel_all, wait_for
from golem_launcher.workspace.frames import read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from golem_launcher.workspace.remote import AgentWorkspace
    from golem_launcher.workspace.store import Store

_PER_REQUEST = 32
_PER_PACK = 192
"""Chunks in a file: 48 MB, half of which wait on disk at either end at worst."""
_FEWEST_PER_PACK = 8
_PART_SECONDS = 4.0
"""What is asked for at once should not take longer: between parts others get their turn."""
_WRITE_BYTES = 4 * 1024 * 1024


async def pull(
    agent: AgentWorkspace,
    store: Store,
    ids: Sequence[str],
    size: int,
    go_on: Callable[[], bool] = lambda: True,
) -> list[str]:
    """Bring these chunks, ``size`` bytes or so, in their order; those that are not there any more.

    Asks for no more when ``go_on`` says no. Raises ``ProviderError`` and ``WorkspaceError``.
    """
    gone: list[str] = []
    each = size / max(len(ids), 1)
    at = 0
    while at < len(ids) and (at == 0 or go_on()):
        left = each * (len(ids) - at)
        if agent.carry is not None and agent.pace.prefers_carry(left):
            gone += await _in_files(agent, store, ids[at:], each, go_on)
            return gone
        several = max(1, min(_PER_REQUEST, int(agent.pace.bytes_by_tunnel(_PART_SECONDS) / max(each, 1.0))))
        part = ids[at : at + several]
        found, done = await _over_tunnel(agent, store, part, agent.pace.patience(left) if agent.carry else None)
        gone += found
        at += done
    return gone


async def _over_tunnel(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], patience: float | None
) -> tuple[list[str], int]:
    """What is gone of them, and how many came; fewer than all when it took longer than ``patience``."""
    gone: list[str] = []
    waiting: list[tuple[str, bytes]] = []
    loop_time = asyncio.get_running_loop().time
    began, received, done = loop_time(), agent.received, 0

    async def bring() -> None:
        nonlocal waiting, done
        async for chunk, data in agent.chunks(ids):
            done += 1
            if data is None:
                gone.append(chunk)
                continue
            waiting.append((chunk, data))
            if sum(len(data) for _, data in waiting) >= _WRITE_BYTES:
                full, waiting = waiting, []
                await asyncio.to_thread(_put, store, full)

    try:
        await (bring() if patience is None else wait_for(bring(), patience))
    except asyncio.TimeoutError:
        pass  # the pace knows it now
    finally:  # also what came before a connection broke
        agent.pace.tunnel_took(agent.received - received, loop_time() - began)
        await asyncio.to_thread(_put, store, waiting)
    return gone, done


async def _in_files(
    agent: AgentWorkspace, store: Store, ids: Sequence[str], each: float, go_on: Callable[[], bool]
) -> list[str]:
    """The provider packs a file while the one before travels and the one before that is stored."""
    queue: asyncio.Queue[tuple[Path, Sequence[str]] | None] = asyncio.Queue(1)

    async def packed(part: Sequence[str]) -> Path:
        began = asyncio.get_running_loop().time()
        path = await agent.pack(part)
        agent.pace.carry_took(len(part) * each, asyncio.get_running_loop().time() - began)
        return path

    def part_at(at: int) -> Sequence[str]:
        seconds = max(_PART_SECONDS, 3 * agent.pace.carry(0))
        several = int(agent.pace.bytes_by_carry(seconds) / max(each, 1.0))
        return ids[at : at + max(_FEWEST_PER_PACK, min(several, _PER_PACK))]

    async def fetch() -> None:
        part = part_at(0)
        at = len(part)
        ahead = asyncio.ensure_future(packed(part))
        try:
            while part:
                path, brought = await ahead, part
                part = part_at(at) if at < len(ids) and go_on() else []
                at += len(part)
                if part:
                    ahead = asyncio.ensure_future(packed(part))
                await queue.put((path, brought))
            await queue.put(None)
        finally:
            await cancel_all(ahead)

    gone: list[str] = []
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
    finally:
        await cancel_all(fetching)


def _put(store: Store, chunks: list[tuple[str, bytes]]) -> None:
    for chunk, data in chunks:
        store.put_chunk(chunk, data)
