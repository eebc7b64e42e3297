"""Chunked reading and writing of files for peers; every request is validated before the disk is touched.

Both classes are used from one event loop; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import os
import shutil
from typing import TYPE_CHECKING, Any, Final, Protocol

from golem_launcher.node.gftp.wire import CHUNK, LARGEST_CHUNK, GftpError

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.node.gsb.packets import Data

LARGEST_HOLE: Final = 64 * 1024 * 1024
"""How far ahead of the end of what arrived a chunk may lie: chunks in flight overtake each other, but not by more."""
MOST_AHEAD: Final = 4096
"""How many chunks may lie ahead at once."""
MOST_CALLERS: Final = 1024
"""Of so many peers it is known what each was given: whoever knows a file's address may ask."""
SPARE_DISK: Final = 512 * 1024 * 1024
"""Bytes of the disk that an upload without a declared size leaves free."""


class FileService(Protocol):
    """One file as a service of the bus."""

    components: tuple[str, ...]

    async def answer(self, component: str, payload: Any, caller: str = "") -> Any:
        """Answer one request of a peer; :class:`GftpError` is told to it.

        ``caller`` is the peer's node id, empty where the way to the node does not tell.
        """

    def close(self) -> None:
        """Let the file go."""


class Published:
    """A file that peers may read."""

    components: tuple[str, ...] = ("GetMetadata", "GetChunk")

    def __init__(self, path: Path, *, largest_chunk: int = LARGEST_CHUNK) -> None:
        """Open the file. Blocking; ``OSError`` when it can't be read."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._state = self._now()
            self.size = self._state[0]
            os.pread(self._descriptor, 1, 0)  # a directory can be opened, too
        except BaseException:
            os.close(self._descriptor)
            raise
        self.largest_chunk = largest_chunk
        """Bytes that the way to the node can carry at once."""
        self.served = 0
        """Bytes that peers were given so far."""
        self._served_to: dict[str, int] = {}
        self._turns = asyncio.Semaphore(16)  # chunks in memory at once

    async def answer(self, component: str, payload: Any, caller: str = "") -> Any:
        """``GetMetadata`` and ``GetChunk``."""
        if component == "GetMetadata":
            return {"fileSize": self.size}
        if component != "GetChunk":
            raise GftpError(f"A published file has no {component[:40]!r}.", kind="ReadError")
        offset, size = _number(payload, "offset"), _number(payload, "size")
        if offset > self.size:
            raise GftpError(f"{offset} is beyond the end of the file.", kind="ReadError")
        size = min(size, self.size - offset)
        if size > self.largest_chunk:
            raise GftpError(f"A chunk may have {self.largest_chunk} bytes at most.", kind="ReadError")
        async with self._turns:
            content = await asyncio.to_thread(self._read, offset, size)
        self.served += len(content)
        if caller in self._served_to or len(self._served_to) < MOST_CALLERS:
            self._served_to[caller] = self._served_to.get(caller, 0) + len(content)
        return {"offset": offset, "content": content}

    def digest(self) -> str:
        """The SHA3-256 of the file, which is read for it. Blocking."""
        return digest_from(self._descriptor, 0, hashlib.sha3_256())

    @property
    def intact(self) -> bool:
        """Whether the file is what it was when it was published. Blocking, for a moment."""
        return self._now() == self._state

    def served_to(self, caller: str) -> int | None:
        """Bytes that this peer was given so far; ``None`` when it is not known who was given what."""
        return self._served_to.get(caller, None if "" in self._served_to else 0)

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns

    def _read(self, offset: int, size: int) -> bytes:
        try:
            content = os.pread(self._descriptor, size, offset)
            if len(content) == size and self.intact:
                return content
        except OSError as error:
            raise GftpError(f"Reading failed: {error.strerror}.", kind="ReadError") from None
        raise GftpError("The file was changed after it was published.", kind="ReadError")


class Receiving:
    """A file that a peer may write, once: after a good end it is ours.

    Who does not wait for it any more removes it: what still comes is let pass then, and takes no disk.
    """

    components: tuple[str, ...] = ("UploadChunk", "UploadFinished")

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        """Create or empty the file; ``limit`` is its greatest size in bytes, else what the disk has to spare.

        Blocking; ``OSError`` when it can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._limit = max(0, shutil.disk_usage(path.parent).free - SPARE_DISK) if limit is None else limit
        self._lock = asyncio.Lock()
        self._hash = hashlib.sha3_256()
        self._arrived = 0  # everything before has arrived, and is in the hash
        self._ahead: list[tuple[int, int]] = []  # a heap of (start, end): arrived before what lies in front of them
        self._rewritten = False  # the hash is of bytes that were sent again since
        self.finished = False

    async def answer(self, component: str, payload: Any, caller: str = "") -> Any:  # noqa: ARG002 - one writes
        """``UploadChunk`` and ``UploadFinished``."""
        async with self._lock:
            if self.finished:
                if component == "UploadFinished" and _announced(payload) in {None, self._hash.hexdigest()}:
                    return  # said again, as our reply was lost
                raise GftpError("This upload has ended already.", kind="WriteError")
            if component == "UploadChunk":
                offset, content = self._checked(payload)
                await asyncio.to_thread(self._write, offset, content)
            elif component == "UploadFinished":
                await asyncio.to_thread(self._finish, _announced(payload))
            else:
                raise GftpError(f"An upload has no {component[:40]!r}.", kind="WriteError")

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _checked(self, payload: Any) -> tuple[int, Data]:
        chunk = payload.get("chunk") if isinstance(payload, dict) else None
        offset = _number(chunk, "offset")
        content = chunk.get("content") if isinstance(chunk, dict) else None
        if not isinstance(content, bytes | memoryview) or len(content) > LARGEST_CHUNK:
            raise GftpError(f"A chunk has bytes, {LARGEST_CHUNK} at most.", kind="WriteError")
        if offset + len(content) > self._limit:
            raise GftpError(f"The upload is bigger than the {self._limit} bytes allowed.", kind="WriteError")
        if offset > self._arrived + LARGEST_HOLE or len(self._ahead) >= MOST_AHEAD:
            raise GftpError("The chunk lies too far ahead of what has arrived.", kind="WriteError")
        return offset, content

    def _is_given_up(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def _write(self, offset: int, content: Data) -> None:
        try:
            if self._is_given_up():
                os.ftruncate(self._descriptor, 0)
                self._ahead.clear()
                self._arrived = max(self._arrived, offset + len(content))
                return
            write_at(self._descriptor, offset, content)
            self._rewritten = self._rewritten or offset < self._arrived
            if offset == self._arrived:  # the usual case: no need to read it back
                self._hash.update(content)
                self._arrived += len(content)
            elif content:
                heapq.heappush(self._ahead, (offset, offset + len(content)))
            while self._ahead and self._ahead[0][0] <= self._arrived:
                _, end = heapq.heappop(self._ahead)
                if end > self._arrived:
                    digest_from(self._descriptor, self._arrived, self._hash, end)
                    self._arrived = end
        except OSError as error:
            raise GftpError(f"Writing failed: {error.strerror}.", kind="WriteError") from None

    def _finish(self, expected: str | None) -> None:
        if self._is_given_up():
            self.finished = True
            return
        if self._ahead:
            raise GftpError("Parts of the file have not arrived.", kind="IntegrityError")
        if self._rewritten:
            self._hash, self._rewritten = hashlib.sha3_256(), False
            digest_from(self._descriptor, 0, self._hash)
        if expected is not None and expected != self._hash.hexdigest():
            raise GftpError("The file that arrived has another hash than the one announced.", kind="IntegrityError")
        self.finished = True


def digest_from(descriptor: int, start: int, hasher: Any, end: int | None = None) -> str:
    """Feed a file's bytes from ``start`` (to ``end``) to a hash, and give its hex digest. Blocking."""
    position = start
    block = memoryview(bytearray(CHUNK))  # new memory for each block would be cleared by the system first
    while end is None or position < end:
        size = os.preadv(descriptor, [block if end is None else block[: end - position]], position)
        if not size:
            break
        hasher.update(block[:size])
        position += size
    return str(hasher.hexdigest())


def write_at(descriptor: int, offset: int, content: Data) -> None:
    """Write all of ``content`` at ``offset``. Blocking."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def _announced(payload: Any) -> str | None:
    """The hash that an uploader announces, when it does."""
    value = payload.get("hash") if isinstance(payload, dict) else None
    return None if value is None else str(value)


def _number(payload: Any, name: str) -> int:
    value = payload.get(name) if isinstance(payload, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise GftpError(f"The request lacks a valid {name}.", kind="ReadError")
    return value
