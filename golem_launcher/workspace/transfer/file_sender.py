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
from golem_launcher.workspace.transfer.pipeline import pipeline
from golem_launcher.workspace.transfer.progress import untold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from golem_launcher.workspace.repository.entry import Entry
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer
    from golem_launcher.workspace.transfer.progress import ReportProgress

_PART_BYTES = 4 * 1024 * 1024
_LEAST_PART_BYTES = 256 * 1024
_PART_SECONDS = 4.0
_PIECE = 32 * 1024
_FIRST_FILE_BYTES, _FILE_BYTES = 16 * 1024 * 1024, 64 * 1024 * 1024
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
    sending = _Sending(agent, chunks, await asyncio.to_thread(_Order, entries), progress)
    await agent.begin(_lines(entries, gone))
    failures = 0
    while sending.left:
        arrived = sending.done
        try:
            bulk = agent.bulk
            if bulk is not None and sending.prefers_bulk(sending.bytes_left):
                files = _Files(sending, bulk)
                await pipeline(files.make, files.carry, files.take)
            else:
                patience = agent.throughput.patience(sending.bytes_left) if bulk is not None else None
                await sending.by_tunnel(patience)
            failures = 0
        except (ProviderError, WorkspaceError):
            failures = 1 if sending.done > arrived else failures + 1
            if failures == _ATTEMPTS:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
            sending.done = await agent.put(b"")
    problems = await agent.finish()
    said = [f"{shown(path)} could not be written: {reason}." for path, reason in problems]
    return [*dict.fromkeys(sending.lost), *said][:_MOST_NOTICES]


class _Sending:
    """How far one :func:`send` is."""

    def __init__(self, agent: AgentWorkspace, chunks: ChunkSource, order: _Order, progress: ReportProgress) -> None:
        self.agent = agent
        self.lost: list[str] = []
        """A sentence for each chunk that can't be had."""
        self.done = 0
        """The chunks that have arrived."""
        self._chunks = chunks
        self._order = order
        self._progress = progress
        self._sent = 0

    @property
    def left(self) -> int:
        """The chunks that have not arrived, by what the provider says, who may count more than there are."""
        return max(len(self._order) - self.done, 0)

    @property
    def bytes_left(self) -> int:
        """About how many bytes have not."""
        return self._order.bytes - self._sent

    def prefers_bulk(self, size: int) -> bool:
        """Whether so many bytes go by a transfer, as the faster way."""
        return self.agent.throughput.prefers_bulk(size)

    def part(self, start: int) -> _Part | None:
        """What begins with a chunk; ``None`` where there is none of that number."""
        return _Part(self._chunks, self._order, start, self.lost) if start < len(self._order) else None

    def arrived(self, part: _Part, done: int) -> None:
        """So many chunks are there, of which ``part`` was the last."""
        self.done = done
        self._sent = min(self._sent + part.plain_until(done), self._order.bytes)
        self._progress(_BRINGING, self._sent, self._order.bytes, "bytes")

    async def by_tunnel(self, patience: float | None) -> None:
        """Send the next part, or what of it arrives within ``patience``, where there is another way."""
        throughput = self.agent.throughput
        part = _Part(self._chunks, self._order, self.done, self.lost)
        most = int(max(_LEAST_PART_BYTES, min(_PART_BYTES, throughput.bytes_by_tunnel(_PART_SECONDS))))
        frames = await asyncio.to_thread(part.together, most)
        clock = asyncio.get_running_loop().time
        began = clock()
        putting = self.agent.put(frames)
        try:
            done = await (putting if patience is None else wait_for(putting, patience))
        except TimeoutError:
            seconds = clock() - began
            done = await self.agent.put(b"")
            throughput.tunnel_took(part.plain_until(done), seconds)
        else:
            throughput.tunnel_took(len(frames), clock() - began)
        self.arrived(part, done)


class _Files:
    """Files of frames, as long as transfers are the faster way: one is made, and one taken, while one is carried.

    The first one is small: nothing is carried while it is made.
    """

    def __init__(self, sending: _Sending, bulk: BulkTransfer) -> None:
        self._sending = sending
        self._agent = sending.agent
        self._bulk = bulk
        self._next = sending.done
        self._bytes_left = sending.bytes_left
        self._size = _FIRST_FILE_BYTES

    async def make(self) -> tuple[_Part, Path] | None:
        """The next file."""
        part = self._sending.part(self._next)
        if part is None or not self._sending.prefers_bulk(self._bytes_left):
            return None
        path = await self._agent.scratch_file()

        def write() -> None:
            with path.open("wb") as file:
                file.writelines(part.frames(self._size))

        try:
            await asyncio.to_thread(write)
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        self._next = part.end
        self._bytes_left -= part.plain
        self._size = min(2 * self._size, _FILE_BYTES)
        return part, path

    async def carry(self, made: tuple[_Part, Path]) -> tuple[_Part, str]:
        """Have it there; its name."""
        part, path = made
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            name = await self._agent.send_file(path, self._bulk)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        self._agent.throughput.bulk_took(part.plain, clock() - began)
        return part, name

    async def take(self, carried: tuple[_Part, str]) -> None:
        """Have its chunks put where they belong."""
        part, name = carried
        self._sending.arrived(part, await self._agent.take_file(name))


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
        self._framing = wire.Framing()

    @property
    def end(self) -> int:
        """The number of the chunk behind those so far."""
        return self._start + len(self._sizes)

    def plain_until(self, done: int) -> int:
        """Bytes of the chunks from the start to the ``done``-th of all."""
        return sum(self._sizes[: max(done - self._start, 0)])

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
        return self._framing.frame(identifier, data)
