"""The HTTP between a browser and a server of the session: a reverse proxy on h11, which :mod:`.link` runs.

For each connection of a browser's there is one to the server, made when it is first needed. What can be answered from
this side is; the rest is passed on (:mod:`.http_exchange`) as :mod:`.origin_policy` allows, large files by a way of
their own (:mod:`.large_files`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import origin_policy
from golem_launcher.access.lab import open_documents
from golem_launcher.access.lab.lab_frontend import Served
from golem_launcher.access.lab.uploads import LARGEST, PLACE
from golem_launcher.access.link import byte_ranges
from golem_launcher.access.link.http_connection import HttpConnection, NoAnswer, away, html, moved, plain
from golem_launcher.access.link.http_exchange import PACKED, Exchange
from golem_launcher.access.sockets.in_process_stream import join
from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab.lab_frontend import LabFrontend
    from golem_launcher.access.lab.large_files import LargeFiles
    from golem_launcher.access.last_use import LastUse
    from golem_launcher.access.origin_policy import Headers, OriginPolicy
    from golem_launcher.access.sockets.in_process_stream import Stream

_LONGEST_ANSWER_HEAD = 16 * 1024
"""Of the server's: a head is taken apart in one go."""
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
_LONG = ("/files/", "/directories/")
"""Likewise: files that somebody wants to have, and (by jupyter-archive) folders."""
_IN_PAGES = {b"image", b"script", b"style", b"font", b"manifest", b"track"}
"""What a browser fetches for a page that it shows: small, many at a time."""
_LONG_SECONDS = 10.0
"""How long a connection for a long answer may take to be made, until it comes like any other."""
_FRAMING = {b"content-length", b"transfer-encoding"}


@dataclass(frozen=True)
class Upstream:
    """What is behind a link: JupyterLab, or another server of the session, and how it is shown."""

    policy: OriginPolicy
    dial: Callable[[], Awaitable[Stream]]
    """Connects to it."""
    front: LabFrontend | None = None
    """JupyterLab's page and files."""
    attend: Callable[[], Awaitable[Stream]] | None = None
    """Connects to whoever JupyterLab's pages tell of their documents (:mod:`.lab.open_documents`)."""
    lead: Callable[[OriginPolicy, str, Headers], Awaitable[Served | None]] | None = None
    """Where a browser is sent that goes to a page of another server (:mod:`.proxied_servers`)."""
    use: LastUse | None = None
    """Told of requests that do more than look; ``None`` where all that goes there is noticed on its way."""
    large: LargeFiles | None = None
    """How large files go, where there is a faster way."""
    admit: Callable[[bytes, str, Headers], Awaitable[Served | None]] | None = None
    """Answers whoever may not come in (:mod:`.hub.hub_login`); ``None`` lets a request pass."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    """Of those who want a connection to it."""
    who: str = "JupyterLab"
    why_away: str = "The session's provider can't be reached just now."


@dataclass(frozen=True)
class _Question:
    """A request that is for the server over there."""

    request: h11.Request
    headers: Headers
    """As it is asked: the browser's, or less."""
    body: bytes
    """What was read of it before: all, or nothing."""
    makes_page: bool
    """Whether JupyterLab's page is asked for, which :mod:`golem_launcher.access.lab.lab_frontend` makes."""
    navigates: bool
    """Whether a person's browser asks for a page."""


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
        if self._upstream.attend is not None and target.startswith(self._policy.base_url + origin_policy.OUR_PLACE):
            await self._join(self._upstream.attend, target, headers)
            return False
        served = await self._from_here(target, headers) if request.method in _READS else None
        if served is not None:
            await self._browser.skip_body()
            await self._browser.give(served)
            return True
        if self._upstream.use is not None and self._is_use(request, target):
            self._upstream.use.seen()
        body = await self._body_of_part(request, headers)
        if body and (answer := await self._take_part(request, headers, body)) is not None:
            await self._browser.give(answer)
            return True
        return await self._pass_on(self._question(request, target, headers, body))

    def _question(self, request: h11.Request, target: str, headers: Headers, body: bytes) -> _Question:
        front = self._upstream.front
        makes_page = request.method == b"GET" and front is not None and front.wants(target)
        navigates = dict(headers).get(b"sec-fetch-mode") == b"navigate"
        return _Question(request, headers, body, makes_page=makes_page, navigates=navigates)

    async def _pass_on(self, question: _Question) -> bool:
        """Have it answered over there; whether the connection can be used again."""
        try:
            try:
                return await self._had_answered(question)
            except byte_ranges.OfAnother:
                self.close()
                return await self._had_answered(replace(question, headers=byte_ranges.without(question.headers)))
        except NoAnswer:
            await self._browser.give_last(self._away(navigates=question.navigates))
            return False

    async def _had_answered(self, question: _Question) -> bool:
        """As :meth:`_forward`, by the better way, and more than once where that does no harm."""
        if self._may_be_long(question):
            with contextlib.suppress(NoAnswer):
                return await self._forward_for_long(question)
        for _ in range(_ATTEMPTS - 1 if question.request.method in _READS else 0):
            with contextlib.suppress(NoAnswer):
                return await self._forward(question)
            self.close()
        return await self._forward(question)

    async def _body_of_part(self, request: h11.Request, headers: Headers) -> bytes:
        """What is asked, where that may be a part of an upload; else nothing is read of it."""
        large, path = self._upstream.large, self._path(request)
        if large is None or request.method in _READS or not path.startswith(PLACE):
            return b""
        framing = dict(headers)
        length = 0 if b"transfer-encoding" in framing else int(framing.get(b"content-length", b"0"))
        if request.method != b"PUT" or not large.uploads.may_be_part(path, length):
            await large.uploads.drain(path)
            return b""
        if self._browser.http.they_are_waiting_for_100_continue:
            await self._browser.send(h11.InformationalResponse(status_code=100, headers=[]))
        return await self._browser.body(LARGEST)

    async def _take_part(self, request: h11.Request, headers: Headers, body: bytes) -> Served | None:
        """The answer to a part of an upload; ``None`` for anything else."""
        assert self._upstream.large is not None
        path = self._path(request)
        target = self._policy.target(request.target).decode("ascii", "replace")
        answer = await self._upstream.large.uploads.take(path, target, self._policy.request(headers), body)
        if answer is None:
            return None
        place = self._policy.leaves(answer.status, answer.headers)
        if place is not None:
            return html(502, origin_policy.leaving_page(place))
        passed = self._policy.response(request.target, answer.headers)
        return Served(answer.status, [each for each in passed if each[0] not in _FRAMING], answer.body)

    def _path(self, request: h11.Request) -> str:
        """What is asked, below the base of the server over there."""
        return self._policy.inner(request.target.decode("ascii", "replace")).partition("?")[0]

    def _may_be_long(self, question: _Question) -> bool:
        """Whether it is a file that somebody wants to have."""
        return (
            self._upstream.large is not None
            and question.request.method == b"GET"
            and self._path(question.request).startswith(_LONG)
            and dict(question.headers).get(b"sec-fetch-dest") not in _IN_PAGES
            and not byte_ranges.is_short(question.headers)
        )

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

    async def _forward(self, question: _Question) -> bool:
        """Pass a question on and its answer back; whether the connection can be used again.

        Raises ``NoAnswer`` when the server's connection breaks before anything of the answer was passed back.
        """
        try:
            server = await (self._connected(_SHOWN_SECONDS) if question.navigates else self._connected_in_turn())
        except (TimeoutError, OSError, AccessError):
            raise NoAnswer from None
        front = self._upstream.front if question.makes_page else None
        exchange = Exchange(self._policy, self._browser, server, front=front, body=question.body)
        if not await exchange.run(question.request, question.headers):
            return False
        if server.http.our_state is h11.DONE and server.http.their_state is h11.DONE:
            server.http.start_next_cycle()
        else:
            self.close()
        return True

    async def _forward_for_long(self, question: _Question) -> bool:
        """As :meth:`_forward`, over a connection for this answer alone, as it is: what is packed comes no faster."""
        assert self._upstream.large is not None
        try:
            stream = await wait_for(self._dialled(self._upstream.large.connect), _LONG_SECONDS)
        except (TimeoutError, OSError, AccessError):
            raise NoAnswer from None
        try:
            server = HttpConnection(h11.Connection(h11.CLIENT, _LONGEST_ANSWER_HEAD), stream)
            exchange = Exchange(self._policy, self._browser, server, is_last=True)
            bare = [(name, value) for name, value in question.headers if name not in PACKED]
            return await exchange.run(question.request, bare)
        finally:
            stream.close()

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
                h11.Connection(h11.CLIENT, _LONGEST_ANSWER_HEAD),
                await wait_for(self._dialled(self._upstream.dial), seconds),
            )
        return self._server

    async def _dialled(self, dial: Callable[[], Awaitable[Stream]]) -> Stream:
        """A new connection to the server, unless the browser leaves first."""
        dialling = asyncio.ensure_future(dial())
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
