"""Transfers a file from or to another node, as the requesting side."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from golem_launcher.errors import BusCallError, BusProtocolError
from golem_launcher.node.gftp.files import write_at
from golem_launcher.node.gftp.wire import CHUNK, SMALL_CHUNK, GftpError, GftpUrl
from golem_launcher.node.gsb import flex

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from golem_launcher.node.gsb.calls import Bus
    from golem_launcher.node.gsb.packets import Data

IN_FLIGHT: Final = 12
"""Chunks on their way at once: the memory a transfer takes, in :data:`CHUNK`."""
_TRIES: Final = 4
_RETRY_SECONDS = 0.25  # before the first retry, doubled for each further one
_CALL_SECONDS: Final = 30.0
_FINISH_BYTES_PER_SECOND: Final = 20_000_000  # what a receiver hashes at least, when it starts at the end


async def download(
    bus: Bus, url: str, path: Path, *, progress: Callable[[int, int], None] | None = None, caller: str = ""
) -> int:
    """Fetch a published file into ``path`` (emptied first), and give its size in bytes.

    ``progress`` is told the bytes so far and in all. A chunk that gets lost is asked for again; a name that is a hash
    is compared with what arrived. Raises :class:`~golem_launcher.errors.BusError` (:class:`GftpError` for what the
    publisher refuses or gets wrong) or ``OSError``; the file is then incomplete.
    """
    peer = _Peer(bus, GftpUrl.parse(url), caller)
    metadata = await peer.ask("GetMetadata", None, tries=2)
    size = metadata.get("fileSize") if isinstance(metadata, dict) else None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 63:
        raise GftpError(f"The publisher of {url} does not say how big the file is.")
    descriptor = await asyncio.to_thread(_create, path)
    hasher = hashlib.sha3_256()

    def take(offset: int, content: Data) -> None:
        write_at(descriptor, offset, content)
        if peer.url.digest is not None:
            hasher.update(content)

    try:
        chunk = CHUNK if await _gives_big_chunks(peer, size) else SMALL_CHUNK
        asking = _Window(min(IN_FLIGHT * (CHUNK // chunk), 64))
        try:
            for start in range(0, size, chunk):
                if asking.full:
                    await asyncio.to_thread(take, *await asking.next())
                    _tell(progress, asking.taken, size)
                asking.start(peer.chunk(start, min(chunk, size - start)), min(chunk, size - start))
            while asking.busy:
                await asyncio.to_thread(take, *await asking.next())
                _tell(progress, asking.taken, size)
        finally:
            await asking.aclose()
    finally:
        os.close(descriptor)
    if peer.url.digest is not None and hasher.hexdigest() != peer.url.digest:
        raise GftpError(f"What arrived is not the file of {url}: its hash differs.", kind="IntegrityError")
    return size


async def upload(
    bus: Bus, path: Path, url: str, *, progress: Callable[[int, int], None] | None = None, caller: str = ""
) -> int:
    """Send the file ``path`` to a place that its owner opened for it, and give its size in bytes.

    Progress and errors as for :func:`download`. The receiver is told the hash and compares.
    """
    peer = _Peer(bus, GftpUrl.parse(url), caller)
    descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    hasher = hashlib.sha3_256()

    def take(offset: int) -> bytes:
        content = os.pread(descriptor, CHUNK, offset)
        hasher.update(content)
        return content

    try:
        total, sent = os.fstat(descriptor).st_size, 0
        sending = _Window(IN_FLIGHT)
        try:
            while content := await asyncio.to_thread(take, sent):
                if sending.full:
                    await sending.next()
                    _tell(progress, sending.taken, total)
                sending.start(peer.ask("UploadChunk", {"chunk": {"offset": sent, "content": content}}), len(content))
                sent += len(content)
            while sending.busy:
                await sending.next()
                _tell(progress, sending.taken, total)
        finally:
            await sending.aclose()
    finally:
        os.close(descriptor)
    patience = _CALL_SECONDS + sent / _FINISH_BYTES_PER_SECOND
    await peer.ask("UploadFinished", {"hash": hasher.hexdigest()}, timeout=patience)
    return sent


class _Peer:
    """The other side of a transfer."""

    def __init__(self, bus: Bus, url: GftpUrl, caller: str) -> None:
        self.url = url
        self._bus = bus
        self._caller = caller

    async def ask(
        self,
        component: str,
        payload: Any,
        *,
        timeout: float = _CALL_SECONDS,
        tries: int = _TRIES,
    ) -> Any:
        """Call, and call again when the call itself failed; what the other side refuses is final.

        A call that yagna lost on its way (its router does so under load) comes back as an empty reply.
        """
        address = f"{self.url.remote}/{component}"
        data = flex.dumps(payload)
        reply: Data = b""
        for attempt in range(1, tries + 1):
            try:
                reply = await self._bus.call_raw(address, data, caller=self._caller, timeout=timeout)
            except BusCallError:
                if attempt == tries:
                    raise
            if reply:
                break
            if attempt < tries:
                await asyncio.sleep(_RETRY_SECONDS * 2**attempt)
        else:
            raise GftpError(f"{self.url} is not offered (any more).")
        result = flex.loads(reply)
        if not isinstance(result, dict) or len(result) != 1:
            raise BusProtocolError(f"{address} answered with something that is no result.")
        if "Ok" not in result:
            raise GftpError(f"{address} refused: {str(result.get('Err'))[:500]}.")
        return result["Ok"]

    async def chunk(self, offset: int, size: int) -> tuple[int, Data]:
        """The bytes at ``offset``, exactly ``size`` of them."""
        answer = await self.ask("GetChunk", {"offset": offset, "size": size})
        content = answer.get("content") if isinstance(answer, dict) else None
        if not isinstance(content, bytes | memoryview) or len(content) != size:
            raise GftpError(f"The publisher of {self.url} sent something else than the chunk asked for.")
        return offset, content


class _Window:
    """A few calls on their way at once, taken in the order in which they were started."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._tasks: deque[tuple[asyncio.Task[Any], int]] = deque()
        self.taken = 0

    @property
    def full(self) -> bool:
        return len(self._tasks) >= self._width

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def start(self, call: Coroutine[Any, Any, Any], size: int) -> None:
        self._tasks.append((asyncio.ensure_future(call), size))

    async def next(self) -> Any:
        task, size = self._tasks[0]
        result = await task
        self._tasks.popleft()
        self.taken += size
        return result

    async def aclose(self) -> None:
        for task, _ in self._tasks:
            task.cancel()
        await asyncio.gather(*(task for task, _ in self._tasks), return_exceptions=True)


async def _gives_big_chunks(peer: _Peer, size: int) -> bool:
    """Whether the publisher gives chunks of our size: one behind a websocket of yagna's REST API can't."""
    if size <= SMALL_CHUNK:
        return True
    try:
        await peer.chunk(0, min(CHUNK, size))
    except GftpError:
        return False
    return True


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)


def _tell(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
