"""The HTTP between one browser's connection and the Lab: what :mod:`golem_launcher.access.link` does with each.

One connection to the Lab for each of the browser's, made when it is first needed. What can be answered from this side
is; the rest are exchanges with the Lab (:mod:`golem_launcher.access.exchange`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import answers, documents
from golem_launcher.access.exchange import Exchange
from golem_launcher.access.sides import LONGEST_ANSWER_HEAD, PIECE, Gone, Side
from golem_launcher.access.streams import join
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.front import Front, Served
    from golem_launcher.access.rules import Headers, Rules
    from golem_launcher.access.streams import Stream

_KEEP_SECONDS = 10.0
"""How long the Lab's connection is kept for a browser that asks nothing: a VPN may carry but a few hundred."""
_IDLE_SECONDS = 600.0
"""How long a browser may keep a connection without asking anything."""
_HELD_SECONDS = 25.0
"""How long a request of a program, the Lab's page among them, waits for a Lab that is away: another may take over."""
_AT_ONCE = 16
"""Connections that are made at a time: the way through yagna carries many, but makes few together."""
_CROWD_SECONDS = 120.0
"""How long a request waits behind others for its turn."""
_SHOWN_SECONDS = 1.5
"""How long a person waits before a page says so."""
_ATTEMPTS = 2
"""At what only reads: a connection may break while nothing was asked for."""
_READS = {b"GET", b"HEAD"}


@dataclass(frozen=True)
class Behind:
    """What is behind a link: the Lab, or another server of the session, and how it is shown."""

    rules: Rules
    dial: Callable[[], Awaitable[Stream]]
    """Connects to it."""
    front: Front | None = None
    """The Lab's page and files."""
    attend: Callable[[], Awaitable[Stream]] | None = None
    """Connects to whoever the Lab's pages tell of their documents (:mod:`golem_launcher.access.documents`)."""
    lead: Callable[[Rules, str, Headers], Awaitable[Served | None]] | None = None
    """Where a browser is sent that goes to a page of another server (:mod:`golem_launcher.access.pages`)."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    """Of those who want a connection to it."""
    who: str = "JupyterLab"
    why_away: str = "The session's provider can't be reached just now."


class Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, behind: Behind, browser: Side) -> None:
        self._behind = behind
        self._rules = behind.rules
        self._browser = browser
        self._lab: Side | None = None

    def close(self) -> None:
        """Let go of the Lab's connection."""
        if self._lab is not None:
            self._lab.stream.close()
            self._lab = None

    async def run(self) -> None:
        """Until the browser has had enough, or one of the two can't go on."""
        http = self._browser.http
        while True:
            try:
                request = await self._await_request()
            except h11.RemoteProtocolError as error:
                if http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await self._browser.give(
                        answers.plain(error.error_status_hint, "This is not HTTP as it should be.")
                    )
                return
            if request is None or not await self._answer(request):
                return
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _await_request(self) -> h11.Request | None:
        """The next request; ``None`` at the end of the connection. Notices when the Lab ends its own meanwhile."""
        asking = asyncio.ensure_future(self._browser.next())
        waiting = [asking]
        try:
            if self._lab is not None:
                lab = asyncio.ensure_future(self._lab.stream.read(1))
                waiting.append(lab)
                await asyncio.wait(waiting, timeout=_KEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await cancel_all(lab)
                if not lab.cancelled() or not asking.done():
                    # It ended, or says what nobody asked, or was not needed for long: the next request gets a new one.
                    self.close()
            await asyncio.wait({asking}, timeout=_IDLE_SECONDS)
            event = asking.result() if asking.done() else None
        finally:
            await cancel_all(*waiting)
        return event if isinstance(event, h11.Request) else None

    async def _answer(self, request: h11.Request) -> bool:
        """Answer one request; whether the connection can be used again."""
        headers: Headers = list(request.headers)
        refusal = self._rules.refusal(request.method, request.target, headers)
        if refusal:
            await self._browser.give(answers.plain(403, refusal))
            return False
        asked = dict(headers)
        target = request.target.decode("ascii", "replace")
        if self._behind.attend is not None and target == self._rules.base_url + documents.PATH:
            await self._join(self._behind.attend, headers)
            return False
        served = await self._from_here(target, headers) if request.method in _READS else None
        if served is not None:
            await self._browser.skip_body()
            await self._browser.give(served)
            return True
        front = self._behind.front
        makes_page = request.method == b"GET" and front is not None and front.wants(target)
        navigates = asked.get(b"sec-fetch-mode") == b"navigate"
        try:
            for _ in range(_ATTEMPTS - 1 if request.method in _READS else 0):
                with contextlib.suppress(Gone):
                    return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
                self.close()
            return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
        except Gone:
            await self._browser.give(self._away(navigates=navigates))
            return False

    def _away(self, *, navigates: bool) -> Served:
        return answers.away(self._behind.who, self._behind.why_away, navigates=navigates)

    async def _from_here(self, target: str, headers: Headers) -> Served | None:
        """What is read from this side, ``None`` for what is answered over there."""
        if not target.startswith(self._rules.root):
            return answers.moved(self._rules.root + target[len(self._rules.entry) or 1 :])
        led = await self._behind.lead(self._rules, target, headers) if self._behind.lead is not None else None
        if led is not None or self._behind.front is None:
            return led
        asked = dict(headers)
        gzipped, known = b"gzip" in asked.get(b"accept-encoding", b""), asked.get(b"if-none-match")
        return await asyncio.to_thread(self._behind.front.file, target, gzipped=gzipped, known=known)

    async def _join(self, attend: Callable[[], Awaitable[Stream]], headers: Headers) -> None:
        """A page that tells of its documents, joined to whoever listens to it, to the end of the connection."""
        accepted = documents.accepted(headers)
        if accepted is None:
            await self._browser.give(answers.plain(426, "Pages of the Lab come here by a websocket."))
            return
        try:
            stream = await attend()
        except AccessError:
            await self._browser.give(self._away(navigates=False))
            return
        try:
            await self._browser.send(h11.InformationalResponse(status_code=101, headers=accepted))
            await join(self._browser.stream, self._browser.http.trailing_data[0], stream, b"")
        finally:
            stream.close()

    async def _forward(self, request: h11.Request, headers: Headers, *, makes_page: bool, navigates: bool) -> bool:
        """Pass a request on and its answer back; whether the connection can be used again.

        Raises ``Gone`` when the Lab's connection breaks before anything of the answer was passed back.
        """
        try:
            lab = await (self._connected(_SHOWN_SECONDS) if navigates else self._connected_in_turn())
        except (TimeoutError, OSError, AccessError):
            raise Gone from None
        exchange = Exchange(self._rules, self._behind.front, self._browser, lab, makes_page)
        if not await exchange.run(request, headers):
            return False
        if lab.http.our_state is h11.DONE and lab.http.their_state is h11.DONE:
            lab.http.start_next_cycle()
        else:
            self.close()
        return True

    async def _connected_in_turn(self) -> Side:
        """As :meth:`_connected`, when it is its turn: in a crowd one waits for longer than for a Lab that is away."""
        if self._lab is not None:
            return self._lab
        await wait_for(self._behind.turns.acquire(), _CROWD_SECONDS)
        try:
            return await self._connected(_HELD_SECONDS)
        finally:
            self._behind.turns.release()

    async def _connected(self, seconds: float) -> Side:
        """The connection to the Lab, made within so many seconds. Raises ``OSError``, ``AccessError``, a time-out."""
        if self._lab is None:
            self._lab = Side(h11.Connection(h11.CLIENT, LONGEST_ANSWER_HEAD), await wait_for(self._dialled(), seconds))
        return self._lab

    async def _dialled(self) -> Stream:
        """A new connection to the Lab, unless the browser leaves first."""
        dialling = asyncio.ensure_future(self._behind.dial())
        listening = asyncio.ensure_future(self._browser.stream.read(PIECE))
        stays = False
        try:
            await asyncio.wait({dialling, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                self._browser.http.receive_data(listening.result())
                if not listening.result():
                    raise ConnectionResetError("the browser left")
            stream = await dialling
            stays = True
            return stream
        finally:
            await cancel_all(dialling, listening)
            if not stays and not dialling.cancelled() and dialling.exception() is None:
                dialling.result().close()
