"""Client of the half of an agent's server that copies files: lists of them, and pieces that hold parts of them.

A piece goes by bulk transfer or by the tunnel, whichever is faster for its size as far as was seen, and is as large as
what is carried in one to three seconds: so what else the session has to do, like a save, is held up no longer.
What arrives is from a stranger: each piece is compared with its hash, and names, sizes and times are checked before
anybody sees them. Raises ``ProviderError`` and ``WorkspaceError`` as :mod:`agent_workspace` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.workspace import copying
from golem_launcher.agent.workspace.wire import Lines, WireError
from golem_launcher.errors import ProviderError
from golem_launcher.waiting import together
from golem_launcher.workspace.repository.entries import MOST_ENTRIES
from golem_launcher.workspace.repository.entry import LARGEST_FILE, fault_of_path, fault_of_target, shown
from golem_launcher.workspace.transfer.agent_workspace import PACKS_THERE
from golem_launcher.workspace.transfer.change_list import LARGEST_LIST
from golem_launcher.workspace.transfer.responses import are_pairs, as_shown, nonsense
from golem_launcher.workspace.transfer.timeouts import LOOK, WORK, bulk, sending

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer
    from golem_launcher.workspace.transfer.throughput import Throughput

MOST_SEGMENTS = 1000
"""Of one piece: their names and faults are a few hundred kilobytes."""
SMALLEST, FIRST, LARGEST = 1_000_000, 8_000_000, 128_000_000
"""Bytes of a piece, where there is so much."""
_AT_ONCE, _QUICK, _LONG = 0.4, 1.0, 3.0
"""Seconds: a piece that takes less may be much larger, or larger; one that takes more should be smaller."""
_TRIAL = 1.0
_MOST_FAULTS = 1024 * 1024
_MOST_ANSWERED = 512 * 1024
_LONGEST_STAMP = 128
_LATEST = 1 << 63


@dataclass(frozen=True)
class RemoteEntry:
    """A file, directory or link of the session."""

    kind: str
    """``f``, ``d`` or ``l``."""
    path: str
    """Below what was asked for, which itself has an empty one; escaped."""
    mode: int = 0o755
    mtime_ns: int = 0
    size: int = 0
    stamp: str = ""
    """Another one when the file changes."""
    target: str = ""
    """Of a link; escaped."""


@dataclass(frozen=True)
class Listing:
    """What ``cp`` finds at a path in the session, before it copies anything."""

    top: RemoteEntry
    below: list[RemoteEntry]
    left_out: dict[str, str]
    """Paths of what can't be copied, and why."""
    unfinished: dict[str, RemoteEntry]
    """What copies left that were interrupted, by their paths."""


@dataclass(frozen=True)
class Piece:
    """One that lies over there, ready to be brought."""

    name: str
    size: int
    sha256: str
    faults: list[str | None]
    """Why a segment is not in it, for each of them."""


class RemoteFiles:
    """The files of one machine of a session, for copies to and from this computer."""

    def __init__(self, agent: AgentWorkspace, scratch: Path) -> None:
        """``scratch``: a directory of this computer, on a disk, for pieces."""
        self._agent = agent
        self._scratch = scratch
        self.piece_size = FIRST
        """Bytes of the next piece."""

    @property
    def throughput(self) -> Throughput:
        """The rates of the ways that pieces go."""
        return self._agent.throughput

    def prefers_transfer(self, size: int) -> bool:
        """Whether a piece of that size goes by a transfer, as the faster way."""
        return self._agent.bulk is not None and self.throughput.prefers_bulk(size)

    @property
    def worthwhile_size(self) -> int:
        """The size of the next piece, or of a larger one with which transfers pay that take a while to begin."""
        larger = self.throughput.worth_a_transfer()
        pays = larger <= LARGEST and self.throughput.bulk(larger) <= _LONG
        return max(self.piece_size, int(larger)) if pays else self.piece_size

    def begin_small(self) -> None:
        """Begin with pieces that the tunnel would carry in a second: on a slow line transfers are slow as well."""
        self.piece_size = max(min(FIRST, int(self.throughput.bytes_by_tunnel(_TRIAL))), SMALLEST)

    async def entries(self, path: str, *, below: bool = True) -> Listing | None:
        """What there is at a path, and ``below`` it where it is a directory; ``None`` where there is nothing."""
        reader, lines = _Reader(), Lines(LARGEST_LIST)

        def feed(piece: bytes) -> None:
            try:
                for line in lines.feed(piece):
                    reader.take(line)
            except WireError as error:
                raise nonsense(str(error)) from None

        async with self._agent.post("/files", json.dumps({"path": path, "below": below}).encode(), LOOK) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(feed, piece)
        return reader.end()

    async def make(self, directories: Sequence[tuple[str, int]], links: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Make these; what could not be made, and why, as both may be shown."""
        body = json.dumps({"directories": directories, "links": links}).encode()
        problems = (await self._agent.ask_with("/make", body, WORK, most=_MOST_FAULTS)).get("problems")
        if not are_pairs(problems):
            raise nonsense("no list of problems")
        return {shown(path): as_shown(reason) for path, reason in problems}

    async def forget(self, path: str, tag: str) -> None:
        """Remove what is there of a file that was to become whole at ``path``, and won't."""
        await self._agent.ask_with("/forget", json.dumps({"path": path, "tag": tag}).encode(), WORK, most=_MOST_FAULTS)

    async def read(self, segments: Sequence[tuple[str, int, int, str]]) -> Piece:
        """Have a piece made of these: path, offset, length, stamp."""
        name = _new_name()
        body = json.dumps({"name": name, "segments": segments}).encode()
        answer = await self._agent.ask_with("/read", body, WORK, most=_MOST_FAULTS)
        faults = _faults(answer, len(segments))
        size = sum(length for (_, _, length, _), fault in zip(segments, faults, strict=True) if fault is None)
        if answer.get("size") != size or not isinstance(answer.get("sha256"), str):
            raise nonsense("a piece of another size than asked for")
        return Piece(name, size, answer["sha256"], faults)

    async def bring(self, piece: Piece) -> Path:
        """Bring a piece here, and :meth:`accept` it then, while the next is on its way. Whoever gets it removes it."""
        path = self._scratch / piece.name
        try:
            if not await self._transferred(piece, path):
                await self._by_tunnel(piece.size, self._fetch(piece, path))
        except BaseException:
            path.unlink(missing_ok=True)
            await self._agent.drop(piece.name)
            raise
        return path

    async def bring_by_transfer(self, piece: Piece) -> Path | None:
        """As :meth:`bring`, where that is a transfer; else ``None``."""
        path = self._scratch / piece.name
        return path if await self._transferred(piece, path) else None

    async def accept(self, piece: Piece, path: Path) -> None:
        """:meth:`compare` a piece that was brought, and have it removed over there. Raises ``ProviderError``."""
        await together(self.compare(piece, path), self._agent.drop(piece.name))

    async def compare(self, piece: Piece, path: Path) -> None:
        """Compare a piece that was brought with its hash. Raises ``ProviderError``."""
        await asyncio.to_thread(_compare, path, piece)

    async def blocks(self, piece: Piece) -> AsyncGenerator[bytes, None]:
        """What is in a piece over there, by the tunnel, as it comes."""
        left = piece.size
        async with self._agent.post("/fetch", json.dumps({"name": piece.name}).encode(), bulk(left)) as blocks:
            async for block in blocks:
                left -= len(block)
                if left < 0:
                    raise nonsense("more than it had announced")
                yield block
        if left:
            raise ProviderError("The connection to the provider broke.")

    def new_piece(self) -> Path:
        """Where a piece is to be made that goes there; its name is the piece's."""
        return self._scratch / _new_name()

    async def send(self, path: Path, size: int) -> None:
        """Bring the piece at ``path``, of ``size`` bytes, to the agent: by a bulk transfer where that is faster."""
        name = path.name

        if not await self._by_transfer(size, lambda bulk: bulk.transfer_in(path, f"{PACKS_THERE}/{name}")):
            with path.open("rb") as file:
                await self._by_tunnel(size, self._agent.ask_with(f"/store?name={name}", file, sending(size)))

    async def write(self, name: str, sha256: str, parts: Sequence[copying.Part]) -> list[str | None]:
        """Have the parts written that a piece which was sent holds; why one was not, for each."""
        body = json.dumps({"name": name, "sha256": sha256, "segments": parts}).encode()
        return _faults(await self._agent.ask_with("/write", body, WORK, most=_MOST_FAULTS), len(parts))

    async def replay(self, name: str, sha256: str, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Have asked what a piece that was sent holds (agent/workspace/upload_replay.py); its unchecked answer."""
        body = json.dumps({"name": name, "sha256": sha256, "headers": headers}).encode()
        return await self._agent.ask_with("/replay", body, WORK, most=_MOST_ANSWERED)

    async def _transferred(self, piece: Piece, path: Path) -> bool:
        return await self._by_transfer(piece.size, lambda bulk: self._agent.fetch(bulk, piece.name, path, piece.size))

    async def _by_transfer(self, size: int, transfer: Callable[[BulkTransfer], Awaitable[None]]) -> bool:
        """Move a piece by bulk transfer, where that is the faster way; whether it was."""
        agent = self._agent
        if agent.bulk is None or not self.prefers_transfer(size):
            return False
        began = time.monotonic()
        try:
            await transfer(agent.bulk)
        except ProviderError:
            if not await agent.answers():
                raise
            agent.bulk = None  # it does not work there, but all else does
            return False
        seconds = time.monotonic() - began
        agent.throughput.bulk_took(size, seconds)
        self._adapt(size, seconds)
        return True

    async def _by_tunnel(self, size: int, work: Awaitable[object]) -> None:
        began = time.monotonic()
        await work
        seconds = time.monotonic() - began
        self._agent.throughput.tunnel_took(size, seconds)
        self._adapt(size, seconds)

    def _adapt(self, size: int, seconds: float) -> None:
        if seconds < _QUICK and size >= self.piece_size // 2:
            self.piece_size = min(self.piece_size * (4 if seconds < _AT_ONCE else 2), LARGEST)
        elif seconds > _LONG:
            self.piece_size = max(self.piece_size // 2, SMALLEST)

    async def _fetch(self, piece: Piece, path: Path) -> None:
        with path.open("wb") as file:
            async with contextlib.aclosing(self.blocks(piece)) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(file.write, block)


def listing(lines: Iterable[Any]) -> Listing | None:
    """The list that these lines are, which must be whole; ``None`` where there is nothing."""
    reader = _Reader()
    for line in lines:
        reader.take(line)
    return reader.end()


class _Reader:
    """Takes the lines of a list as they come in."""

    def __init__(self) -> None:
        self._found: list[RemoteEntry] = []
        self._left_out: dict[str, str] = {}
        self._unfinished: dict[str, RemoteEntry] = {}
        self._ended = False

    def end(self) -> Listing | None:
        if not self._ended:
            raise nonsense("a list without an end")
        if not self._found and not self._left_out:
            return None
        if not self._found or self._found[0].path:
            raise ProviderError(f"It can't be copied: {next(iter(self._left_out.values()), 'no reason given')}.")
        if self._found[0].kind != "d" and len(self._found) > 1:
            raise nonsense("files below one that is no directory")
        return Listing(self._found[0], self._found[1:], self._left_out, self._unfinished)

    def take(self, line: Any) -> None:
        if self._ended or len(self._found) + len(self._left_out) + len(self._unfinished) > MOST_ENTRIES:
            raise nonsense(f"a list of more than {MOST_ENTRIES:,} files")
        match line:
            case {"end": True}:
                self._ended = True
            case ["-", str(path), reason]:
                self._left_out[shown(path)] = as_shown(reason)
            case ["f", str(path), int(mode), int(mtime_ns), int(size), str(stamp)] if (
                0 <= size <= LARGEST_FILE and abs(mtime_ns) < _LATEST and len(stamp) <= _LONGEST_STAMP
            ):
                self._add(RemoteEntry("f", path, mode & 0o777, mtime_ns, size, stamp))
            case ["d", str(path), int(mode)]:
                self._add(RemoteEntry("d", path, mode & 0o777))
            case ["l", str(path), str(target)] if target:
                self._add(RemoteEntry("l", path, target=target))
            case _:
                raise nonsense("a line that describes no file")

    def _add(self, entry: RemoteEntry) -> None:
        fault = fault_of_path(entry.path) if entry.path or self._found else ""
        if fault := fault or fault_of_target(entry.target):
            self._left_out[shown(entry.path)] = fault
        elif copying.is_unfinished(entry.path.rpartition("/")[2]):
            self._unfinished[entry.path] = entry
        else:
            self._found.append(entry)


def _new_name() -> str:
    return f"{copying.PREFIX}{secrets.token_hex(6)}"


def _faults(answer: dict[str, Any], count: int) -> list[str | None]:
    faults = answer.get("faults")
    if not isinstance(faults, list) or len(faults) != count:
        raise nonsense("no list of faults")
    return [None if fault is None else as_shown(fault) for fault in faults]


def _compare(path: Path, piece: Piece) -> None:
    with path.open("rb") as file:
        if copying.hash_of(file) != piece.sha256:
            raise ProviderError("What arrived from the provider is not what it had read.", "Try again.")
