"""Writes files into a session's workspace, of which the agent gets a list and each chunk once.

Chunks go over the tunnel or by bulk transfer, whichever is faster.
"""

from __future__ import annotations

import asyncio
import io
import itertools
from array import array
from typing import TYPE_CHECKING, Protocol

from golem_launcher.agent.workspace import wire
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.waiting import wait_for
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds
from golem_launcher.workspace.repository.entry import shown
from golem_launcher.workspace.repository.sealing import DamagedObject
from golem_launcher.workspace.repository.spool import Spool
from golem_launcher.workspace.transfer.progress import untold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from golem_launcher.workspace.repository.entry import Entry
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer
    from golem_launcher.workspace.transfer.progress import ReportProgress

_PART_BYTES = 4 * 1024 * 1024
_LEAST_PART_BYTES = 256 * 1024
_PART_SECONDS = 4.0
_PIECE = 32 * 1024
_FILE_BYTES = 64 * 1024 * 1024
_ATTEMPTS = 3
_RETRY_SECONDS = 1.0
_MOST_NOTICES = 20
_BRINGING = "Bringing your files"


class ChunkSource(Protocol):
    """Where chunks come from. Blocking."""

    def get_chunk(self, identifier: str) -> bytes:
        """The bytes of a chunk. ``WorkspaceError``; ``DamagedObject`` when it is lost, and others need not be."""


async def send(
    agent: AgentWorkspace,
    entries: Sequence[Entry],
    chunks: ChunkSource,
    progress: ReportProgress = untold,
    gone: Sequence[str] = (),
) -> list[str]:
    """Write entries into the workspace, in which those paths are removed first that are ``gone``; what could not be.

    Goes on where a connection broke, to the provider or to the store. A chunk that is lost costs its files alone.
    """
    order = await asyncio.to_thread(_Order, entries)
    total = order.bytes
    await agent.begin(_lines(entries, gone))
    lost: list[str] = []
    done = failures = sent = 0
    while done < len(order):
        part = _Part(chunks, order, done, lost)
        try:
            bulk = agent.bulk
            if bulk is not None and agent.throughput.prefers_bulk(total - sent):
                done = await _by_file(agent, bulk, part)
            else:
                patience = agent.throughput.patience(total - sent) if bulk is not None else None
                done = await _by_tunnel(agent, part, patience)
        except (ProviderError, WorkspaceError):
            failures += 1
            if failures == _ATTEMPTS:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
            done = await agent.put(b"")
            continue
        failures = 0
        sent = min(sent + part.plain_until(done), total)
        progress(_BRINGING, sent, total, "bytes")
    problems = await agent.finish()
    said = [f"{shown(path)} could not be written: {reason}." for path, reason in problems]
    return [*dict.fromkeys(lost), *said][:_MOST_NOTICES]


async def _by_tunnel(agent: AgentWorkspace, part: _Part, patience: float | None) -> int:
    """How many chunks have arrived; those that did within ``patience``, where there is another way."""
    most = int(max(_LEAST_PART_BYTES, min(_PART_BYTES, agent.throughput.bytes_by_tunnel(_PART_SECONDS))))
    frames = await asyncio.to_thread(part.together, most)
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        done = await (agent.put(frames) if patience is None else wait_for(agent.put(frames), patience))
    except TimeoutError:
        seconds = clock() - began
        done = await agent.put(b"")
        agent.throughput.tunnel_took(part.plain_until(done), seconds)
    else:
        agent.throughput.tunnel_took(len(frames), clock() - began)
    return done


async def _by_file(agent: AgentWorkspace, bulk: BulkTransfer, part: _Part) -> int:
    path = await agent.scratch_file()

    def write() -> None:
        with path.open("wb") as file:
            file.writelines(part.frames(_FILE_BYTES))

    try:
        await asyncio.to_thread(write)
        began = asyncio.get_running_loop().time()
        done = await agent.put_file(path, bulk)
        agent.throughput.bulk_took(part.plain, asyncio.get_running_loop().time() - began)
        return done
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _lines(entries: Sequence[Entry], gone: Sequence[str] = ()) -> Iterator[bytes]:
    letters = {"file": "f", "directory": "d", "link": "l"}

    def line(entry: Entry) -> list[object]:
        file = [entry.size, list(entry.chunks), *([[list(hole) for hole in entry.holes]] if entry.holes else [])]
        more: dict[str, list[object]] = {"file": file, "link": [entry.target]}
        return [letters[entry.kind], entry.path, entry.mode, entry.mtime_ns, *more.get(entry.kind, [])]

    removals: Iterator[list[object]] = (["x", path, 0, 0] for path in reversed(gone))  # what lies below comes first
    return wire.pack_lines(itertools.chain(removals, map(line, entries)))


class _Order:
    """The chunks of all files, in the order in which they are sent: of 200,000 files none is held. Blocking."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.bytes = 0
        """What all files take on a disk."""
        self._again = bytearray()
        self._ids = Spool()
        seen, waiting = ChunkIds(), bytearray()
        for entry in entries:
            self.bytes += entry.data
            for chunk in map(bytes.fromhex, entry.chunks):
                known = len(seen)
                self._again.append(seen.add(chunk) < known)
                waiting += chunk
            if len(waiting) >= _PIECE:
                self._ids.append(waiting)
                waiting = bytearray()
        self._ids.append(waiting)

    def __len__(self) -> int:
        return len(self._again)

    def __getitem__(self, number: int) -> bytes:
        return self._ids.read(number * ID_BYTES, ID_BYTES)

    def again(self, number: int) -> bool:
        """Whether one before is the same chunk."""
        return bool(self._again[number])


class _Part:
    """Frames of the chunks from ``start`` on; one that was sent before is only named."""

    def __init__(self, chunks: ChunkSource, order: _Order, start: int, lost: list[str]) -> None:
        """``lost`` gets a sentence for each chunk that can't be had."""
        self._chunks = chunks
        self._lost = lost
        self._order = order
        self._start = start
        self.plain = 0
        """Bytes of the chunks so far."""
        self._sizes = array("I")

    def plain_until(self, done: int) -> int:
        """Bytes of the chunks from the start to the ``done``-th of all."""
        return sum(self._sizes[: done - self._start])

    def together(self, most: int) -> bytes:
        """The same in one: of tiny files, a hundred thousand pieces take several times what is in them. Blocking."""
        made = io.BytesIO()
        made.writelines(self.frames(most))
        return made.getvalue()

    def frames(self, most: int) -> Iterator[bytes]:
        """About ``most`` bytes of them. Blocking."""
        size = 0
        for number in range(self._start, len(self._order)):
            identifier, before_it = self._order[number], self.plain
            again = self._order.again(number)
            frame = [wire.bare(identifier, wire.AGAIN)] if again else self._frame(identifier)
            yield from frame
            self._sizes.append(self.plain - before_it)
            size += sum(map(len, frame))
            if size >= most:
                return

    def _frame(self, identifier: bytes) -> list[bytes]:
        try:
            data = self._chunks.get_chunk(identifier.hex())
        except DamagedObject as error:
            self._lost.append(error.what)
            return [wire.bare(identifier, wire.GONE)]
        self.plain += len(data)
        return wire.frame(identifier, data)
