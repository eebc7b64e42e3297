"""A connection to a session's JupyterLab whose answer, where it is long, comes by transfers of the activity.

The agent's server is connected to JupyterLab for us (agent/workspace/download_relay.py) and keeps the answer in pieces.
What comes first comes over the tunnel, at once, and shows how fast that is. The first piece comes both ways, and the
tunnel goes on until a transfer has brought it: where transfers begin slowly, an answer is not slower than by the
tunnel. From then on each piece goes whichever way is the faster as far as was seen; while one is read, the next is
compared with its hash, the one after that is carried, and another one is made.

What arrives is from a stranger: no more is taken than was asked for, and each piece is compared with its hash.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.workspace.copying import PREFIX
from golem_launcher.agent.workspace.download_relay import LONGEST_LINE
from golem_launcher.errors import LauncherError, ProviderError
from golem_launcher.waiting import cancel_all, first_of, wait_for
from golem_launcher.workspace.transfer.pipeline import pipeline
from golem_launcher.workspace.transfer.remote_files import Piece
from golem_launcher.workspace.transfer.responses import as_object, nonsense

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.workspace.transfer.remote_files import RemoteFiles

    Data = bytes | memoryview

_HEAD, _LEAST = 16 * 1024, 4 * 1024
"""Bytes that come over the tunnel in any case, and show how fast it is; and that are worth asking for there."""
_SOON, _MEANWHILE, _LATER = 0.15, 1.0, 4.0
"""Seconds of the tunnel: what it carries in so long comes by it before a transfer is thought of, while the first is
under way, and before it is thought of again."""
_BLOCK = 1024 * 1024
_PIECE = 64 * 1024
_HEAD_SECONDS = 15.0
_LINE_SECONDS = 60.0
_REQUEST = "POST /relay HTTP/1.1\r\nHost: provider\r\nAuthorization: token {}\r\nContent-Length: 0\r\n\r\n"


class RelayedDownload:
    """For one question and its answer, with which it ends. A :class:`Stream`; ``begin`` it once, ``aclose`` it once."""

    def __init__(self, stream: Stream, remote: RemoteFiles) -> None:
        """``stream`` leads to the agent's server; the pieces come by ``remote``."""
        self._stream = stream
        self._remote = remote
        self._unread = b""
        self._unsent: list[bytes] = []
        self._ended = self._full = False
        """All of the answer was asked for; there is no room for pieces over there."""
        self._blocks = self._answer()
        self._block = memoryview(b"")
        self._trial: asyncio.Future[Path | None] | None = None
        """The first piece, on its way by a transfer."""
        self.closed = asyncio.Event()
        """Set once nobody reads it any more."""

    async def begin(self, token: str) -> None:
        """Have the agent connect to JupyterLab. Raises ``OSError`` or ``ProviderError`` where that does not work."""
        self._stream.write(_REQUEST.format(token).encode())
        await self._stream.drain()
        status = await wait_for(self._line(), _HEAD_SECONDS)
        if not status.startswith(b"HTTP/1.1 101 "):
            raise ProviderError("The provider has no relay.")
        while (await wait_for(self._line(), _HEAD_SECONDS)).strip():
            pass

    async def read(self, most: int) -> bytes:
        """Up to ``most`` bytes of the answer; none at its end. Raises ``OSError``."""
        if not self._block:
            try:
                self._block = memoryview(await anext(self._blocks, b""))
            except (LauncherError, TimeoutError) as error:
                raise ConnectionResetError(f"the answer broke off: {error}") from error
        data, self._block = self._block[:most], self._block[most:]
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Add to the question; :meth:`drain` sends it."""
        self._unsent.append(data)

    async def drain(self) -> None:
        """Send what was written. Raises ``OSError``."""
        data, self._unsent = b"".join(self._unsent), []
        if data:
            self._command({"send": len(data)}, data)
            await self._stream.drain()

    def write_eof(self) -> None:
        """Nothing: the answer is waited for."""

    def close(self) -> None:
        """Ask for nothing more. Whoever made it calls :meth:`aclose` then, as pieces may be under way."""
        self._stream.close()
        self.closed.set()

    async def aclose(self) -> None:
        """End all that is under way. Called when nobody reads it."""
        self.close()
        await self._blocks.aclose()
        if self._trial is not None:
            await cancel_all(self._trial)

    async def _answer(self) -> AsyncGenerator[Data, None]:
        for part in self._parts():
            async with contextlib.aclosing(part):
                async for block in part:
                    yield block
            if self._ended:
                return

    def _parts(self) -> Iterator[AsyncGenerator[Data, None]]:
        """The parts of it, by turns over the tunnel and in pieces; either may give none."""
        yield self._passed(_HEAD)
        yield self._passed(self._in_tunnel(_SOON))
        yield self._both_ways()
        while True:
            while self._trial is not None and not self._trial.done():
                yield self._passed(self._in_tunnel(_MEANWHILE))
            if self._trial is not None:
                self._trial.result()  # which may be that a stranger lied
            yield self._by_pieces()
            yield self._passed(self._in_tunnel(_LATER))

    def _in_tunnel(self, seconds: float) -> int:
        """What it carries in so long."""
        return max(int(self._remote.throughput.bytes_by_tunnel(seconds)), _LEAST)

    async def _passed(self, most: int) -> AsyncGenerator[Data, None]:
        """Up to so many bytes of the answer, over the tunnel."""
        clock = asyncio.get_running_loop().time
        self._command({"pass": most})
        await self._stream.drain()
        waited, arrived, began = 0.0, 0, clock()
        while True:
            asked = clock()
            line = await self._object()
            size = line.get("bytes")
            if size is None:
                self._ended = line.get("ended") is True
                break
            if not isinstance(size, int) or not 0 < size <= most - arrived:
                raise nonsense("more than was asked for")
            arrived += size
            while size:
                block = await self._some(size)
                size -= len(block)
                waited += clock() - asked
                yield block
                asked = clock()
        if arrived == most and waited > (clock() - began) / 2:  # else it was the reader who took the time
            self._remote.throughput.tunnel_took(arrived, waited)

    async def _both_ways(self) -> AsyncGenerator[Data, None]:
        """The first piece: over the tunnel, until it is here by a transfer, which may be after all of it has come."""
        self._remote.begin_small()
        piece = await self._keep()
        if piece is None:
            return
        arrived, passed = asyncio.Event(), 0
        self._trial = asyncio.ensure_future(self._tried(piece, arrived))
        async with contextlib.aclosing(self._remote.blocks(piece)) as blocks:
            while passed < piece.size:
                async with first_of(anext(blocks), arrived.wait()) as (got, _):
                    if not got.done():
                        break
                    block = got.result()
                passed += len(block)
                yield block
        if passed < piece.size and (path := await self._trial) is not None:
            async with contextlib.aclosing(_blocks_of(path, passed)) as blocks:
                async for rest in blocks:
                    yield rest

    async def _tried(self, piece: Piece, arrived: asyncio.Event) -> Path | None:
        """The first piece by a transfer; ``None`` where none works."""
        path = await self._remote.bring_by_transfer(piece)
        if path is not None:
            await self._remote.compare(piece, path)  # there it stays until the relay ends: the tunnel reads it, too
            arrived.set()
        return path

    async def _by_pieces(self) -> AsyncGenerator[Data, None]:
        """The answer in pieces that are brought, as long as that is the faster way."""
        brought: asyncio.Queue[Path] = asyncio.Queue(1)

        async def carry(piece: Piece) -> tuple[Piece, Path]:
            return piece, await self._remote.bring(piece)

        async def take(carried: tuple[Piece, Path]) -> None:
            await self._remote.accept(*carried)
            await brought.put(carried[1])

        bringing = asyncio.ensure_future(pipeline(self._keep, carry, take))
        try:
            while not bringing.done() or not brought.empty():
                async with first_of(brought.get(), asyncio.shield(bringing)) as (got, _):
                    path = got.result() if got.done() else None
                if path is not None:
                    async with contextlib.aclosing(_blocks_of(path)) as blocks:
                        async for block in blocks:
                            yield block
            bringing.result()
        finally:
            await cancel_all(bringing)

    async def _keep(self) -> Piece | None:
        """Have a piece made; ``None`` when there is to be none now."""
        most = self._remote.worthwhile_size
        while not self._ended and not self._full and self._remote.prefers_transfer(most):
            name = f"{PREFIX}{secrets.token_hex(6)}"
            self._command({"keep": name, "most": most})
            await self._stream.drain()
            told = await self._object()
            size, sha256 = told.get("size"), told.get("sha256")
            if not isinstance(size, int) or not 0 <= size <= most or not isinstance(sha256, str):
                raise nonsense("a piece of another size than asked for")
            self._ended, self._full = told.get("ended") is True, told.get("full") is True
            if size:
                return Piece(name, size, sha256, [])
        return None

    def _command(self, command: dict[str, Any], data: bytes = b"") -> None:
        self._stream.write(json.dumps(command).encode() + b"\n" + data)

    async def _object(self) -> dict[str, Any]:
        return as_object(await wait_for(self._line(), _LINE_SECONDS))

    async def _line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > LONGEST_LINE:
                raise nonsense("a line without an end")
            self._unread += await self._more()
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    async def _some(self, most: int) -> bytes:
        """Up to so many bytes; at least one."""
        if not self._unread:
            self._unread = await wait_for(self._more(), _LINE_SECONDS)
        data, self._unread = self._unread[:most], self._unread[most:]
        return data

    async def _more(self) -> bytes:
        data = await self._stream.read(_PIECE)
        if not data:
            raise ConnectionResetError("the provider's relay broke off")
        return data


async def _blocks_of(path: Path, start: int = 0) -> AsyncGenerator[memoryview, None]:
    """What is in a piece from there on, each block until the next is asked for; the piece is gone then."""
    block = memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as piece:
            piece.seek(start)
            while size := await asyncio.to_thread(piece.readinto, block):
                yield block[:size]
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)
