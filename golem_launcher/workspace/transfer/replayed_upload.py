"""Parts of an upload to a session's JupyterLab, gathered here and asked over there (agent/workspace/upload_replay.py).

Whoever has one part waits for nothing but room: what has come is a piece as soon as the one before is there and it is
worth the way, or somebody waits for its answer. While one is gathered, the next is sent and the one before that asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from golem_launcher.access.lab.uploads import UploadAnswer, UploadRefused
from golem_launcher.agent.workspace.upload_replay import head
from golem_launcher.errors import LauncherError
from golem_launcher.waiting import cancel_all, wait_for
from golem_launcher.workspace.transfer.pipeline import pipeline
from golem_launcher.workspace.transfer.responses import are_pairs, nonsense

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from golem_launcher.workspace.transfer.remote_files import RemoteFiles

_STATUSES = {status.value for status in HTTPStatus if status >= HTTPStatus.OK}
_LARGEST = 32_000_000
"""Bytes of a piece: its page waits at the end for as much as three of them."""
_WORTHWHILE = 8_000_000
"""Bytes of a piece: the way of each takes 35 ms of all processes together, a quarter of what it then is in all."""
_GATHER_SECONDS = 0.2
"""So long one is waited for that has fewer."""
_IDLE_SECONDS = 300.0
"""An upload of which nothing more comes is over: its page was closed."""


@dataclass
class _Gathered:
    """A piece that grows."""

    path: Path
    size: int = 0
    parts: int = 0

    def __post_init__(self) -> None:
        self.hasher = hashlib.sha256()

    def add(self, target: str, model: dict[str, Any], content: bytes) -> None:
        """Blocking."""
        with self.path.open("ab") as file:
            for part in (head(target, model, content), content):
                file.write(part)
                self.hasher.update(part)
                self.size += len(part)
        self.parts += 1


class ReplayedUpload:
    """The parts of one upload, in their order. ``aclose`` it once."""

    def __init__(self, remote: RemoteFiles, headers: Sequence[tuple[str, str]]) -> None:
        """Each part is asked with these ``headers``."""
        self._remote = remote
        self._headers = headers
        self._gathered = _Gathered(remote.new_piece())
        self._added = self._unwritten = self._answered = 0
        """Parts; of those that were added, one at most is on its way to the disk."""
        self._awaited = 0
        """The part, counted from one, whose answer somebody waits for."""
        self._taking = False
        """Whether the piece that grows is about to be sent."""
        self._answer: UploadAnswer | None = None
        """To the last part that was asked."""
        self._fault: Exception | None = None
        """Why nothing more is asked."""
        self._news = asyncio.Event()
        """Set when something has changed that somebody may wait for."""
        self.closed = asyncio.Event()
        """Set once nothing more is taken, or added."""
        self._writing: asyncio.Task[None] | None = None
        """The last part, on its way to the disk while its page makes the next one."""
        self._line = asyncio.create_task(self._carry())

    async def add(self, target: str, model: dict[str, Any], content: bytes) -> None:
        """Ask this as well; waits for room. ``UploadRefused`` when one before was, ``LauncherError`` when it broke."""
        await self._until(lambda: not self._unwritten and not self._taking and self._has_room)
        self._added += 1
        self._unwritten = 1
        self._news.set()
        self._writing = asyncio.create_task(self._write(target, model, content))

    async def answer(self) -> UploadAnswer:
        """What was said to the last part, once all that were added by now are answered. Raises as :meth:`add` does."""
        added = self._awaited = self._added
        self._news.set()
        await self._until(lambda: self._answered >= added)
        assert self._answer is not None
        return self._answer

    @property
    def over(self) -> bool:
        """Whether nothing more of it is taken."""
        return self._line.done() or self._fault is not None

    async def aclose(self) -> None:
        """Let go of it; what is not asked yet is not."""
        self.closed.set()
        await cancel_all(self._line, *([self._writing] if self._writing is not None else []))

    @property
    def _has_room(self) -> bool:
        return self._gathered.size < min(self._remote.piece_size, _LARGEST)

    @property
    def _is_worthwhile(self) -> bool:
        """Whether the piece that grows is to be sent as it is."""
        before = self._added - self._gathered.parts - self._unwritten
        return self._awaited > before or self._gathered.size >= _WORTHWHILE or not self._has_room

    async def _write(self, target: str, model: dict[str, Any], content: bytes) -> None:
        try:
            await asyncio.to_thread(self._gathered.add, target, model, content)
            self._unwritten = 0
        except OSError as fault:
            self._fault = fault
        finally:
            self._news.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while True:
            if self._fault is not None:
                raise self._fault
            if self._line.done():
                if not self._line.cancelled():
                    self._line.result()
                raise LauncherError("Nothing more of this upload is taken.")
            if holds():
                return
            await self._something()

    async def _come_true(self, holds: Callable[[], bool]) -> None:
        while not holds() and self._fault is None:
            await self._something()

    async def _something(self) -> None:
        """Wait until anything has changed."""
        self._news.clear()
        await self._news.wait()

    async def _carry(self) -> None:
        try:
            await pipeline(self._make, self._send, self._ask)
        finally:
            self._news.set()
            self.closed.set()

    async def _make(self) -> _Gathered | None:
        """The piece that has grown meanwhile; ``None`` when there came nothing for long."""
        with contextlib.suppress(TimeoutError):
            await wait_for(self._come_true(lambda: self._gathered.parts + self._unwritten > 0), _IDLE_SECONDS)
            await wait_for(self._come_true(lambda: self._is_worthwhile), _GATHER_SECONDS)
        self._taking = True
        await self._come_true(lambda: not self._unwritten)
        made, self._gathered = self._gathered, _Gathered(self._remote.new_piece())
        self._taking = False
        self._news.set()
        return made if made.parts else None

    async def _send(self, made: _Gathered) -> _Gathered:
        try:
            await self._remote.send(made.path, made.size)
        finally:
            await asyncio.to_thread(made.path.unlink, missing_ok=True)
        return made

    async def _ask(self, made: _Gathered) -> None:
        """Have a piece asked. The line learns of a fault with the piece after the next, its user at once."""
        try:
            self._answer = await self._answer_to(made)
        except (LauncherError, OSError, UploadRefused) as fault:
            self._fault = fault
            raise
        finally:
            if not self._answered:
                self._remote.begin_small()
            self._answered += made.parts
            self._news.set()

    async def _answer_to(self, made: _Gathered) -> UploadAnswer:
        told = await self._remote.replay(made.path.name, made.hasher.hexdigest(), self._headers)
        answer = _answer(told)
        if not answer.good:
            raise UploadRefused(answer)
        if told.get("count") != made.parts:
            raise nonsense("another number of answers than of questions")
        return answer


def _answer(told: dict[str, Any]) -> UploadAnswer:
    status, headers, body = told.get("status"), told.get("headers"), told.get("body")
    if status not in _STATUSES or not are_pairs(headers) or not isinstance(body, str):
        raise nonsense("no answer of JupyterLab's")
    try:
        pairs = [(str(name).encode("ascii").lower(), str(value).encode("latin-1")) for name, value in headers]
        return UploadAnswer(status, pairs, body.encode("latin-1"))
    except UnicodeEncodeError:
        raise nonsense("headers that are none") from None
