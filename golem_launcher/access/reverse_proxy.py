"""The HTTP between a browser and a server of the session: a reverse proxy on h11, which :mod:`.link` runs.

For each connection of a browser's there is one to the server, made when it is first needed. What can be answered from
this side is; the rest is passed on as :mod:`.origin_policy` allows. Bodies stream both ways as they come, so uploads of
any size and server-sent events pass; after an upgrade (websockets) the bytes are not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import open_documents, origin_policy
from golem_launcher.access.http_connection import HttpConnection, NoAnswer, away, html, moved, plain
from golem_launcher.access.lab_frontend import LARGEST_PAGE, Served, page_headers
from golem_launcher.access.streams import join
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab_frontend import LabFrontend
    from golem_launcher.access.origin_policy import Headers, OriginPolicy
    from golem_launcher.access.streams import Stream
    from golem_launcher.access.use import Use

_LONGEST_ANSWER_HEAD = 16 * 1024
"""Of the server's: a head is taken apart in one go."""
_MOST_INFORMATION = 8
"""Heads that come before the real one."""
_PIECE = 64 * 1024
_KEEP_SECONDS = 10.0
"""How long the server's connection is kept for a browser that asks nothing: a VPN may carry but a few hundred."""
_IDLE_SECONDS = 600.0
"""How long a browser may keep a connection without asking anything."""
_HELD_SECONDS = 25.0
"""How long a request of a program, JupyterLab's page among them, waits for a server that is away: another may come."""
_AT_ONCE = 16
"""Connections that are made at a time: the way through yagna carries many, but makes few together."""
_CROWD_SECONDS = 120.0
"""How long a request waits behind others for its turn."""
_SHOWN_SECONDS = 1.5
"""How long a person waits before a page says so."""
_ATTEMPTS = 2
"""At what only reads: a connection may break while nothing was asked for."""
_READS = {b"GET", b"HEAD"}
_DOWNLOADS = "files/"
"""Below JupyterLab's base: what no page asks for by itself."""
_LAYOUT = "lab/api/workspaces/"
"""Likewise: where a page that is open writes every ten seconds how it looks."""
_BARE = {b"accept-encoding", b"if-none-match"}
_OK, _SWITCHING = 200, 101


@dataclass(frozen=True)
class Upstream:
    """What is behind a link: JupyterLab, or another server of the session, and how it is shown."""

    policy: OriginPolicy
    dial: Callable[[], Awaitable[Stream]]
    """Connects to it."""
    front: LabFrontend | None = None
    """JupyterLab's page and files."""
    attend: Callable[[], Awaitable[Stream]] | None = None
    """Connects to whoever JupyterLab's pages tell of their documents (:mod:`golem_launcher.access.open_documents`)."""
    lead: Callable[[OriginPolicy, str, Headers], Awaitable[Served | None]] | None = None
    """Where a browser is sent that goes to a page of another server (:mod:`golem_launcher.access.proxied_servers`)."""
    use: Use | None = None
    """Told of requests that do more than look; ``None`` where all that goes there is noticed on its way."""
    admit: Callable[[bytes, str, Headers], Awaitable[Served | None]] | None = None
    """Answers whoever may not come in (:mod:`golem_launcher.access.hub_login`); ``None`` lets a request pass."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    """Of those who want a connection to it."""
    who: str = "JupyterLab"
    why_away: str = "The session's provider can't be reached just now."


class Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, upstream: Upstream, browser: HttpConnection) -> None:
        self._upstream = upstream
        self._policy = upstream.policy
        self._browser = browser
        self._server: HttpConnection | None = None

    def close(self) -> None:
        """Let go of the server's connection."""
        if self._server is not None:
            self._server.stream.close()
            self._server = None

    async def run(self) -> None:
        """Serve until the browser leaves, or one of the two connections can't go on."""
        http = self._browser.http
        while True:
            try:
                request = await self._await_request()
            except h11.RemoteProtocolError as error:
                if http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await self._browser.give_last(plain(error.error_status_hint, "This is not HTTP as it should be."))
                return
            if request is None or not await self._answer(request):
                return
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _await_request(self) -> h11.Request | None:
        """The next request; ``None`` at the end of the connection. Notices when the server ends its own meanwhile."""
        asking = asyncio.ensure_future(self._browser.next())
        waiting = [asking]
        try:
            if self._server is not None:
                server = asyncio.ensure_future(self._server.stream.read(1))
                waiting.append(server)
                await asyncio.wait(waiting, timeout=_KEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await cancel_all(server)
                if not server.cancelled() or not asking.done():
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
        target = request.target.decode("ascii", "replace")
        refused = await self._refused(request, target, headers)
        if refused is not None:
            await self._browser.give_last(refused)
            return False
        asked = dict(headers)
        if self._upstream.attend is not None and target.startswith(self._policy.base_url + origin_policy.OUR_PLACE):
            await self._join(self._upstream.attend, target, headers)
            return False
        served = await self._from_here(target, headers) if request.method in _READS else None
        if served is not None:
            await self._browser.skip_body()
            await self._browser.give(served)
            return True
        front = self._upstream.front
        if self._upstream.use is not None and self._is_use(request, target):
            self._upstream.use.seen()
        makes_page = request.method == b"GET" and front is not None and front.wants(target)
        navigates = asked.get(b"sec-fetch-mode") == b"navigate"
        try:
            for _ in range(_ATTEMPTS - 1 if request.method in _READS else 0):
                with contextlib.suppress(NoAnswer):
                    return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
                self.close()
            return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
        except NoAnswer:
            await self._browser.give_last(self._away(navigates=navigates))
            return False

    def _is_use(self, request: h11.Request, target: str) -> bool:
        """Whether somebody does something by this request, rather than a page that looks how things stand."""
        base = self._policy.base_url
        if request.method in _READS:
            return target.startswith(base + _DOWNLOADS)
        return not target.startswith(base + _LAYOUT)

    async def _refused(self, request: h11.Request, target: str, headers: Headers) -> Served | None:
        """What whoever may not come in is told."""
        refusal = self._policy.refusal(request.method, request.target, headers)
        if refusal:
            return plain(403, refusal)
        admit = self._upstream.admit
        return await admit(request.method, target, headers) if admit is not None else None

    def _away(self, *, navigates: bool) -> Served:
        return away(self._upstream.who, self._upstream.why_away, navigates=navigates)

    async def _from_here(self, target: str, headers: Headers) -> Served | None:
        """What is read from this side, ``None`` for what is answered over there."""
        if not target.startswith(self._policy.root):
            return moved(self._policy.root + target[len(self._policy.entry) or 1 :])
        led = await self._upstream.lead(self._policy, target, headers) if self._upstream.lead is not None else None
        if led is not None or self._upstream.front is None:
            return led
        asked = dict(headers)
        gzipped, known = b"gzip" in asked.get(b"accept-encoding", b""), asked.get(b"if-none-match")
        return await asyncio.to_thread(self._upstream.front.file, target, gzipped=gzipped, known=known)

    async def _join(self, attend: Callable[[], Awaitable[Stream]], target: str, headers: Headers) -> None:
        """A page that tells of its documents, joined to whoever listens to it, to the end of the connection."""
        if target != self._policy.base_url + open_documents.PATH:  # what the provider says here is not ours
            await self._browser.give_last(plain(404, "There is no such thing here."))
            return
        accepted = open_documents.accepted(headers)
        if accepted is None:
            await self._browser.give_last(plain(426, "Pages of the Lab come here by a websocket."))
            return
        try:
            stream = await attend()
        except AccessError:
            await self._browser.give_last(self._away(navigates=False))
            return
        try:
            await self._browser.send(h11.InformationalResponse(status_code=101, headers=accepted))
            await join(self._browser.stream, self._browser.http.trailing_data[0], stream, b"")
        finally:
            stream.close()

    async def _forward(self, request: h11.Request, headers: Headers, *, makes_page: bool, navigates: bool) -> bool:
        """Pass a request on and its answer back; whether the connection can be used again.

        Raises ``NoAnswer`` when the server's connection breaks before anything of the answer was passed back.
        """
        try:
            server = await (self._connected(_SHOWN_SECONDS) if navigates else self._connected_in_turn())
        except (TimeoutError, OSError, AccessError):
            raise NoAnswer from None
        exchange = Exchange(self._policy, self._upstream.front, self._browser, server, makes_page)
        if not await exchange.run(request, headers):
            return False
        if server.http.our_state is h11.DONE and server.http.their_state is h11.DONE:
            server.http.start_next_cycle()
        else:
            self.close()
        return True

    async def _connected_in_turn(self) -> HttpConnection:
        """As :meth:`_connected`, when it is its turn: in a crowd one waits for longer than for one that is away."""
        if self._server is not None:
            return self._server
        await wait_for(self._upstream.turns.acquire(), _CROWD_SECONDS)
        try:
            return await self._connected(_HELD_SECONDS)
        finally:
            self._upstream.turns.release()

    async def _connected(self, seconds: float) -> HttpConnection:
        """The connection to the server, made within so many seconds. Raises ``OSError``, ``AccessError``, time-outs."""
        if self._server is None:
            self._server = HttpConnection(
                h11.Connection(h11.CLIENT, _LONGEST_ANSWER_HEAD), await wait_for(self._dialled(), seconds)
            )
        return self._server

    async def _dialled(self) -> Stream:
        """A new connection to the server, unless the browser leaves first."""
        dialling = asyncio.ensure_future(self._upstream.dial())
        listening = asyncio.ensure_future(self._browser.stream.read(_PIECE))
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


@dataclass(frozen=True)
class Exchange:
    """A browser and the server, for the time of one request."""

    policy: OriginPolicy
    front: LabFrontend | None
    browser: HttpConnection
    server: HttpConnection
    makes_page: bool
    """Whether JupyterLab's page is asked for, which :mod:`golem_launcher.access.lab_frontend` makes."""

    async def run(self, request: h11.Request, headers: Headers) -> bool:
        """The request, then its answer; whether it was a whole one, after which both may go on.

        Raises ``NoAnswer`` when the server's connection breaks before anything of the answer was passed back.
        """
        onward = self.policy.request(headers)
        if self.makes_page:
            onward = [(name, value) for name, value in onward if name not in _BARE]
        target = self.policy.target(request.target)
        try:
            await self.server.send(h11.Request(method=request.method, target=target, headers=onward))
        except OSError:
            raise NoAnswer from None
        sending = asyncio.ensure_future(self._send_body())
        try:
            if not await self._pass_back(request.target) or not sending.done():
                return False  # upgraded; or the server did not want to hear the rest
            await sending
        finally:
            await cancel_all(sending)
        return True

    async def _send_body(self) -> None:
        if self.browser.http.their_state is not h11.SEND_BODY:
            await self.server.send(h11.EndOfMessage())  # all of it was read before, when another connection broke
            return
        while True:
            event = await self.browser.next()
            if isinstance(event, h11.Data | h11.EndOfMessage):
                await self.server.send(event)
            if not isinstance(event, h11.Data):
                return

    async def _pass_back(self, path: bytes) -> bool:
        """The server's answer to the browser; whether it was a whole one with nothing after it."""
        informed = 0
        while isinstance(event := await self.server.head(), h11.InformationalResponse):
            informed += 1
            if informed > _MOST_INFORMATION:
                raise NoAnswer
            upgrade = event.status_code == _SWITCHING
            await self._inform(path, event, upgrade=upgrade)
            if upgrade:
                await self._splice()
                return False
        headers: Headers = list(event.headers)
        place = self.policy.leaves(event.status_code, headers)
        if place is not None:
            await self.browser.give_last(html(502, origin_policy.leaving_page(place)))
            return False
        passed = self.policy.response(path, headers)
        if self.front is not None and self.makes_page and event.status_code == _OK:
            return await self._make_page(self.front, passed)
        await self.browser.send(h11.Response(status_code=event.status_code, headers=passed, reason=event.reason))
        while isinstance(piece := await self.server.next(), h11.Data):
            await self.browser.send(piece)
        if not isinstance(piece, h11.EndOfMessage):
            raise ConnectionResetError("the server left in the middle of its answer")
        await self.browser.send(h11.EndOfMessage())
        return True

    async def _inform(self, path: bytes, event: h11.InformationalResponse, *, upgrade: bool) -> None:
        headers = self.policy.response(path, list(event.headers), upgrade=upgrade)
        passed = h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)
        await self.browser.send(passed)

    async def _make_page(self, front: LabFrontend, passed: Headers) -> bool:
        """JupyterLab's page, made of the provider's."""
        theirs = b""
        while isinstance(event := await self.server.next(), h11.Data):
            theirs += event.data
            if len(theirs) > LARGEST_PAGE:
                break
        made = front.page(theirs)
        if made is None:
            await self.browser.give_last(
                plain(502, "The provider answers with something that is not JupyterLab's page.")
            )
            return False
        cookies = [(name, value) for name, value in passed if name == b"set-cookie"]
        await self.browser.give(Served(200, [*page_headers(self.policy.content_security_policy()), *cookies], made))
        return True

    async def _splice(self) -> None:
        """After an upgrade: bytes both ways until both have ended."""
        browser, server = self.browser, self.server
        await join(browser.stream, browser.http.trailing_data[0], server.stream, server.http.trailing_data[0])
