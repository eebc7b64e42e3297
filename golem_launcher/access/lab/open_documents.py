"""Tracks the Lab's pages that are open in browsers: asks them to save, and counts what is unsaved.

Each page comes by a websocket at ``<base>golem-launcher/documents``, which the link answers on this side, and speaks
lines of JSON. The page first says ``{"key": …, "unsaved": 2}``, and ``{"unsaved": 1}`` whenever that changes. It is
told ``{"save": 7}`` and answers ``{"saved": 7, "unsaved": 0}``; it is told ``{"away": true}`` while the provider does
not answer, and ``{"ended": "why"}`` in the end, with ``"suspended": true`` where its address wakes it up. To
``{"unsaved": 1, "look": true}`` it is told ``{"session": {…}}``, how that stands; to ``{"unsaved": 1, "ask": {…}}``,
what it asks for, ``{"told": "…"}``. In such a page a stranger's scripts may run: what it says is counted, with limits,
and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.frames import Opcode
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.utils import accept_key

from golem_launcher.access.origin_policy import OUR_PLACE
from golem_launcher.access.sockets.in_process_stream import DuplexStream, Pipe
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.origin_policy import Headers
    from golem_launcher.access.sockets.in_process_stream import Stream

PATH = f"{OUR_PLACE}documents"
"""Below the Lab's base."""
PORT = 65535
"""Upstream the port socket, where a port of the provider is named else: its pages come to the supervisor itself.
(0 is the agent's, which tells there of its ssh server.)"""
MOST_UNSAVED = 999
_MOST_PAGES = 32
_LARGEST_MESSAGE = 1024
_LARGEST_NUMBER = 1 << 31
_GREETING_SECONDS = 10.0
_GATHER_SECONDS = 0.05
"""Between two messages of one page."""
_PIECE = 4096


def _deaf(_: object) -> str:
    """The default: where nothing may be asked for."""
    return ""


@dataclass(frozen=True)
class SaveOutcome:
    """The outcome of asking pages to save."""

    pages: int = 0
    """How many were told."""
    silent: int = 0
    """How many of them did not answer in time."""
    unsaved: int = 0
    """How many documents have unsaved changes nevertheless."""


@dataclass(eq=False)
class _Page:
    stream: Stream
    protocol: Protocol = field(default_factory=lambda: Protocol(SERVER, state=OPEN, max_size=_LARGEST_MESSAGE))
    frames: deque[Any] = field(default_factory=deque)
    unsaved: int = 0
    saved: int = 0
    """The newest order that was carried out."""

    async def next(self) -> dict[str, Any]:
        """The next message. Raises ``OSError`` at the end of the connection, or when it is no message of ours."""
        while True:
            self.frames.extend(self.protocol.events_received())
            while self.frames:
                frame = self.frames.popleft()
                if frame.opcode is Opcode.TEXT:
                    return _message(bytes(frame.data))
            data = await self.stream.read(_PIECE)
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
            self._flush()  # answers to pings, and to an end
            await self.stream.drain()
            if not data or self.protocol.close_expected():
                raise ConnectionResetError("the page has left")

    def tell(self, **message: object) -> None:
        """Send a message, soon."""
        if self.protocol.state is OPEN:
            self.protocol.send_text(json.dumps(message).encode())
            self._flush()

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.stream.write(data)


class OpenDocuments:
    """The pages of one session's Lab; ``secret`` is its token. ``aclose`` once.

    ``look`` says how the session stands, and ``hear`` answers what a page asks for, anything at all.
    """

    def __init__(
        self, secret: str, *, look: Callable[[], dict[str, Any]] = dict, hear: Callable[[object], str] = _deaf
    ) -> None:
        self._key = key(secret)
        self._look = look
        self._listen = hear
        self._pages: set[_Page] = set()
        self._order = 0
        self._answered = asyncio.Event()
        self._away = False
        self._ended: dict[str, Any] | None = None
        self._attending: set[asyncio.Task[None]] = set()
        self.were_there = False
        """Whether a page was ever open."""

    @property
    def unsaved(self) -> int:
        """How many open documents have unsaved changes, according to their pages."""
        return min(sum(page.unsaved for page in self._pages), MOST_UNSAVED)

    async def save(self, seconds: float) -> SaveOutcome:
        """Ask every page to save its documents, before a save of the workspace; wait ``seconds`` at most."""
        self._order += 1
        told = set(self._pages)
        for page in told:
            page.tell(save=self._order)
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(self._all_answered(told, self._order), seconds)
        there = told & self._pages
        silent = [page for page in there if page.saved < self._order]
        unsaved = min(sum(page.unsaved for page in there), MOST_UNSAVED)
        return SaveOutcome(pages=len(told), silent=len(silent), unsaved=unsaved)

    async def _all_answered(self, told: set[_Page], order: int) -> None:
        while any(page.saved < order for page in told & self._pages):
            self._answered.clear()
            await self._answered.wait()

    def away(self, away: bool) -> None:  # noqa: FBT001 - it is what is told
        """Tell the pages whether the provider is out of reach, so that they don't try to save there."""
        if away != self._away:
            self._away = away
            for page in self._pages:
                page.tell(away=away)

    def end(self, reason: str, *, suspended: bool = False) -> None:
        """Tell the pages that the session has ended, or is ``suspended``."""
        self._ended = {"ended": reason, "suspended": True} if suspended else {"ended": reason}
        for page in self._pages:
            page.tell(**self._ended)

    async def dial(self) -> Stream:
        """Connect a page of this process's link."""
        outward, inward = Pipe(), Pipe()

        async def attend() -> None:
            try:
                await self.attend(DuplexStream(outward, inward, outward.break_off))
            finally:
                inward.write_eof()

        task = asyncio.create_task(attend())
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)
        return DuplexStream(inward, outward, task.cancel)

    async def attend(self, stream: Stream) -> None:
        """Talk to one page over ``stream``, after its websocket's handshake, until it leaves."""
        page = _Page(stream)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            greeting = await wait_for(page.next(), _GREETING_SECONDS)
            theirs = str(greeting.get("key")).encode(errors="replace")
            if not hmac.compare_digest(theirs, self._key.encode()) or len(self._pages) >= _MOST_PAGES:
                return
            self._pages.add(page)
            self.were_there = True
            try:
                page.unsaved = _number(greeting, "unsaved", MOST_UNSAVED)
                if self._away:
                    page.tell(away=True)
                if self._ended is not None:
                    page.tell(**self._ended)
                while True:
                    await self._hear(page)
            finally:
                self._pages.discard(page)
                self._answered.set()

    async def _hear(self, page: _Page) -> None:
        message = await page.next()
        page.unsaved = _number(message, "unsaved", MOST_UNSAVED)
        page.saved = max(page.saved, _number(message, "saved", self._order))
        self._answered.set()
        if "ask" in message:
            page.tell(told=self._listen(message["ask"]))
        if "look" in message:
            page.tell(session=self._look())
        await page.stream.drain()
        await asyncio.sleep(_GATHER_SECONDS)

    async def aclose(self) -> None:
        """Close the connections of all pages."""
        await cancel_all(*self._attending)


def key(secret: str) -> str:
    """What proves that a page is the session's, derived from its token ``secret``, which it does not reveal."""
    return hmac.new(secret.encode(), PATH.encode(), hashlib.sha256).hexdigest()


def accepted(headers: Headers) -> Headers | None:
    """The headers that accept a page's websocket; ``None`` if the request asks for none."""
    asked = {name: value.strip() for name, value in headers}
    if asked.get(b"upgrade", b"").lower() != b"websocket" or asked.get(b"sec-websocket-version") != b"13":
        return None
    answer = accept_key(asked.get(b"sec-websocket-key", b"").decode("latin-1")).encode()
    return [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", answer)]


def _message(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ConnectionResetError("the page does not speak as agreed")
    return value


def _number(message: dict[str, Any], name: str, most: int) -> int:
    """A number within limits; 0 for what is none."""
    value = message.get(name)
    return min(max(value, 0), most) if isinstance(value, int) and not isinstance(value, bool) else 0
