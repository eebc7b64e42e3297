"""Client of the server that a session's agent runs, for its workspace: lists of changes, chunks, restoring, packages.

Small requests go over the tunnel; bulk goes by a :class:`BulkTransfer`, in files of frames, where there is one: the
tunnel's way through yagna's VPN carries 3.3 MiB/s on a good line, the file transfer of an activity thirty times that
(see :mod:`throughput`). Everything that arrives is from a stranger. Raises ``ProviderError`` when the server can't be
reached or used, ``WorkspaceError`` for what no agent of ours would send.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import aiohttp

from golem_launcher.access.machine.provider_http import ProviderHttp
from golem_launcher.agent.loop_yielding import LoopTurns
from golem_launcher.agent.workspace.wire import (
    AGAIN,
    FRAME,
    GONE,
    LARGEST_CHUNK,
    MADE,
    PACKS,
    SENT,
    Frames,
    WireError,
    frames_in,
)
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.untrusted_json import LARGEST
from golem_launcher.waiting import cancel_all, wait_for
from golem_launcher.workspace.repository.package_lists import read_environment
from golem_launcher.workspace.transfer.change_list import ChangeList, ChangeListReader
from golem_launcher.workspace.transfer.responses import are_pairs, as_object, as_shown, count_of, nonsense
from golem_launcher.workspace.transfer.throughput import Throughput
from golem_launcher.workspace.transfer.timeouts import (
    DROP,
    KEEP_VARIABLES,
    LOOK,
    PROMPT,
    WORK,
    Timeouts,
    bulk,
    installing,
    sending,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from golem_launcher.access.machine.provider_http import Dial

__all__ = ["AgentWorkspace", "BulkTransfer", "Pack"]

Chunk = tuple[str, "bytes | None"]
"""Its id, and its bytes unless it is not there any more."""
PACKS_THERE = "/golem/run/golem-launcher-agent" + PACKS
_MOST_PROBLEMS = 1024 * 1024
"""Bytes of a list of what could not be put back."""
_LARGEST_FILE = 256 * 1024 * 1024
"""Bytes of a file of chunks: those that are asked for at once have a fifth of it."""
_PIECE = 256 * 1024
_WATCH_SECONDS = 0.2
_STALLED_SECONDS = 60.0
"""A transfer that brings nothing for so long hangs: those before it in the activity have had their turn."""
_DEADLY = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


class BulkTransfer(Protocol):
    """Moves files between this computer and the activity, past the tunnel. Cancelling must be safe."""

    async def transfer_out(self, container_path: str, local_path: Path) -> None:
        """Fetch a file of the container. Raises ``ProviderError``."""

    async def transfer_in(self, local_path: Path, container_path: str) -> None:
        """Send a file into the container. Raises ``ProviderError``."""


@dataclass(frozen=True)
class Pack:
    """A file of chunks in transfer."""

    name: str
    """Over there."""
    size: int
    path: Path
    """Where it is brought."""


class AgentWorkspace:
    """A client of the agent's server that ``dial`` leads to. ``async with`` it; made where a loop runs."""

    def __init__(self, dial: Dial, token: str, bulk: BulkTransfer | None = None) -> None:
        self._http = ProviderHttp(dial, token)
        self.bulk = bulk
        """The way past the tunnel, as long as there is one."""
        self.throughput = Throughput()
        self._scratch: Path | None = None
        self._fetching = False
        """Whether a transfer is under way."""
        self.received = 0
        """Bytes that came over the tunnel, or by bulk transfer."""
        self.sent = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()
        if self._scratch is not None:
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    async def answers(self, *, seconds: float = 4.0) -> bool:
        """Whether the agent's server answers within ``seconds``."""
        try:
            await wait_for(self.ask("/state", None, PROMPT), seconds)
        except (TimeoutError, ProviderError):
            return False
        return True

    async def start_workload(self) -> None:
        """Let the workload start that waits for what is put back first."""
        await self.ask("/open", {}, PROMPT)

    async def lead(self, endpoint_token: str) -> None:
        """Have a machine used that stood by: its JupyterLab lets in who has this token, in a moment."""
        await self.ask("/lead", {"endpoint_token": endpoint_token}, PROMPT)

    async def keep_variables(self) -> None:
        """Have notebooks' kernels write down at once what they keep. Takes some seconds at most, and never raises."""
        with contextlib.suppress(ProviderError, WorkspaceError):
            await self.ask("/keep-variables", {}, KEEP_VARIABLES)

    async def changes_since(
        self,
        base: str | None,
        state: str,
        seen: Callable[[list[bytes]], None] = lambda _: None,
    ) -> ChangeList:
        """What changed since the list ``base``; everything when that is ``None`` or not known there any more.

        ``seen`` gets the records of entries as they come in: the first of them, where they are many.
        """
        reader = ChangeListReader()
        async with self.post("/changes", json.dumps({"base": base, "state": state}).encode(), LOOK) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(reader.feed, piece)
                seen(reader.fresh())
        listed = await asyncio.to_thread(reader.end)
        if listed.base not in {None, base}:
            raise WorkspaceError("The provider's list of files builds on another than the one that is known.")
        return listed

    async def chunks(self, ids: Sequence[str]) -> AsyncIterator[Chunk]:
        """These chunks in their order, over the tunnel; ``None`` for one that is not there any more."""
        frames, wanted = Frames(), iter(ids)
        left = len(ids) * (FRAME.size + LARGEST_CHUNK)
        async with self.post("/chunks", json.dumps({"ids": list(ids)}).encode(), bulk(left)) as pieces:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    raise nonsense("too long")
                for identifier, data in _these(frames.feed(piece), wanted):
                    yield identifier, data
        if next(wanted, None) is not None:
            raise ProviderError("The connection to the provider broke.")

    async def pack(self, ids: Sequence[str]) -> Pack:
        """Have a file made over there with the frames of these chunks, to :meth:`fetch`; :meth:`discard` it at last."""
        name = f"{MADE}{secrets.token_hex(6)}"
        size = (await self.ask("/pack", {"ids": list(ids), "name": name}, WORK)).get("size")
        most = min(len(ids) * (FRAME.size + LARGEST_CHUNK), _LARGEST_FILE)
        if not isinstance(size, int) or not 0 <= size <= most:
            raise nonsense("a file of a size that can't be")
        return Pack(name, size, await self._scratch_file(name))

    async def discard(self, pack: Pack) -> None:
        """Have such a file removed, and remove what came of it here."""
        pack.path.unlink(missing_ok=True)
        await self.drop(pack.name)

    async def drop(self, name: str) -> None:
        """Have a file of those in transfer removed over there; what is left is thrown away there in the end."""
        with contextlib.suppress(ProviderError):
            await self.ask("/drop", {"name": name}, DROP)

    def drop_bulk(self) -> None:
        """Use the tunnel alone from now on, if a transfer hangs: it holds up every later one of the activity."""
        if self._fetching:
            self.bulk = None

    async def fetch(self, bulk: BulkTransfer, name: str, path: Path, size: int) -> None:
        """Bring a file of those in transfer, of ``size`` bytes. Raises ``ProviderError``."""
        self._fetching = True
        try:
            done = await _watched(bulk.transfer_out(f"{PACKS_THERE}/{name}", path), path, size)
            if not done:
                self.drop_bulk()
        finally:
            self._fetching = False
        if not done:
            raise ProviderError("The provider's file transfer hangs.")
        await asyncio.to_thread(_check_size, path, size)
        self.received += size

    async def begin(self, lines: Iterable[bytes]) -> None:
        """Begin to put a workspace back: its entries, packed, in pieces. They lie on the disk until they are sent.

        Raises ``WorkspaceError`` when there is no room for them.
        """
        path = await self.scratch_file()
        try:
            size = await asyncio.to_thread(_written, path, lines)
            with path.open("rb") as file:
                await self.ask_with("/restore", file, sending(size))
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def put(self, frames: bytes) -> int:
        """Send chunks over the tunnel; how many have arrived in all."""
        self.sent += len(frames)
        return count_of(await self.ask_with("/put", frames, sending(len(frames))))

    async def send_file(self, path: Path, bulk: BulkTransfer) -> str:
        """Send a file of frames by a transfer; its name there, for :meth:`take_file`."""
        name = f"{SENT}{secrets.token_hex(6)}"
        await bulk.transfer_in(path, f"{PACKS_THERE}/{name}")
        self.sent += await asyncio.to_thread(_size, path)
        return name

    async def take_file(self, name: str) -> int:
        """Put the chunks of a file that was sent where they belong; how many have arrived in all."""
        return count_of(await self.ask("/take", {"name": name}, WORK))

    async def finish(self) -> list[tuple[str, str]]:
        """End the restore; what could not be put back, and why."""
        found = (await self.ask_with("/finish", b"{}", WORK, most=_MOST_PROBLEMS)).get("problems")
        return [(as_shown(path), as_shown(reason)) for path, reason in found] if are_pairs(found) else []

    async def packages(self) -> tuple[str, ...]:
        """What the user installed by now, as requirements; a provider's words."""
        found = read_environment(await self.ask("/packages", {}, PROMPT))
        return () if found is None else found.requirements

    async def install(
        self, requirements: Sequence[str], seconds: float, line: Callable[[str], None]
    ) -> list[tuple[str, str]]:
        """Install packages; which ones failed, and why. ``line`` gets what pip says, cleaned."""
        body = json.dumps({"requirements": list(requirements), "seconds": seconds}).encode()
        failed: Any = None
        rest, turns = b"", LoopTurns()
        async with self.post("/install", body, installing(seconds)) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > LARGEST:
                    raise nonsense("a line without an end")
                for each in map(as_object, lines):
                    await turns.others()
                    if "line" in each:
                        line(as_shown(each["line"]))
                    failed = each.get("failed", failed)
        if not are_pairs(failed):
            raise ProviderError("The provider did not say how the installing went.")
        return [(as_shown(name), as_shown(reason)) for name, reason in failed]

    async def _scratch_file(self, name: str) -> Path:
        if self._scratch is None:
            self._scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="transfers-"))
        return self._scratch / name

    async def scratch_file(self) -> Path:
        """A new name for a file of ours, gone with this client."""
        return await self._scratch_file(f"own-{secrets.token_hex(6)}")

    async def ask(self, path: str, body: dict[str, Any] | None, timeouts: Timeouts) -> dict[str, Any]:
        """What the server answers to a question, which is an object."""
        return await self.ask_with(path, None if body is None else json.dumps(body).encode(), timeouts)

    async def ask_with(
        self, path: str, body: bytes | BinaryIO | None, timeouts: Timeouts, *, most: int = LARGEST
    ) -> dict[str, Any]:
        """The same of a question that may be long; the answer has up to ``most`` bytes."""
        data = b""
        async with self.post(path, body, timeouts) as pieces:
            async for piece in pieces:
                data += piece
                if len(data) > most:
                    raise nonsense("too long")
        return as_object(data, most=most)

    @contextlib.asynccontextmanager
    async def post(
        self, path: str, body: bytes | BinaryIO | None, timeouts: Timeouts
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer, piece by piece; its time is up as ``timeouts`` say."""
        method, data = "GET" if body is None else "POST", io.BytesIO(body) if isinstance(body, bytes) else body
        timeout = aiohttp.ClientTimeout(total=timeouts.whole, sock_read=timeouts.silence)
        asking = self._http.request(method, path, data=data, timeout=timeout)
        try:
            async with await wait_for(asking, timeouts.head) as response:
                if response.status != HTTPStatus.OK:
                    raise await self._refusal(response)
                yield timeouts.keep(self._pieces(response))
        except TimeoutError:
            raise ProviderError("The provider's workspace takes too long to answer.") from None
        except (OSError, aiohttp.ClientError) as error:
            raise ProviderError(f"The provider's workspace can't be reached: {silence_reason(error)}.") from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderError:
        said = ""
        with contextlib.suppress(WorkspaceError):
            said = as_shown(as_object(await response.content.read(4096)).get("error", ""))
        if response.status in _DEADLY:
            said = "it does not know us"
        return ProviderError(f"The provider's workspace refused: {said or response.status}.")

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for piece in response.content.iter_chunked(_PIECE):
            self.received += len(piece)
            yield piece


async def _watched(work: Any, path: Path, most: int) -> bool:
    """Await ``work``, which writes to ``path``; whether it was done, or brought nothing any more.

    Raises ``WorkspaceError`` when there come more than ``most`` bytes.
    """
    clock = asyncio.get_running_loop().time
    task = asyncio.ensure_future(work)
    size, grew_at = 0, clock()
    try:
        while not (await asyncio.wait([task], timeout=_WATCH_SECONDS))[0]:
            before, size = size, _size(path)
            if size > most:
                raise nonsense("more than it had announced")
            grew_at = clock() if size > before else grew_at
            if clock() - grew_at > _STALLED_SECONDS:
                return False
        task.result()
        return True
    finally:
        await cancel_all(task)


def _written(path: Path, pieces: Iterable[bytes]) -> int:
    try:
        with path.open("wb") as file:
            file.writelines(pieces)
            return file.tell()
    except OSError as error:
        raise WorkspaceError(
            f"The list of the workspace's files could not be put into {path.parent}: {error.strerror or error}.",
            "Check that it can be written to and has room.",
        ) from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_size(path: Path, size: int) -> None:
    if _size(path) != size:
        raise nonsense("a file of another size than announced")


def read_frames(path: Path, ids: Iterable[str], take: Callable[[str, bytes], None]) -> list[str]:
    """Give each chunk in a file of frames to ``take``; the ids of those that were not there any more. Blocking.

    Raises ``WorkspaceError`` for anything but the chunks that were asked for, in their order.
    """
    wanted, gone = iter(ids), []
    with path.open("rb") as file:
        for identifier, data in _these(frames_in(file), wanted):
            if data is None:
                gone.append(identifier)
            else:
                take(identifier, data)
    if next(wanted, None) is not None:
        raise nonsense("it ended too early")
    return gone


def _these(frames: Iterator[tuple[bytes, int, bytes]], wanted: Iterator[str]) -> Iterator[Chunk]:
    """The chunks in these frames, which must be those ``wanted`` next, in their order; that goes on with each."""
    try:
        for chunk, kind, data in frames:
            identifier = chunk.hex()
            if kind == AGAIN or next(wanted, None) != identifier:
                raise nonsense("a chunk that nobody asked for")
            yield identifier, None if kind == GONE else data
    except WireError as error:
        raise nonsense(str(error)) from None
