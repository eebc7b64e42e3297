"""The HTTP between one browser's connection and the Lab: what :mod:`golem_launcher.access.link` does with each.

One connection to the Lab for each of the browser's, made when it is first needed. Bodies stream both ways as they
come, so uploads of any size and server-sent events pass; after an upgrade (websockets) the bytes are not looked at.
HTTP is h11's, which is strict: what a provider answers in some other way ends that connection and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h11

from golem_launcher.access import answers
from golem_launcher.access import rules as ruling
from golem_launcher.access.front import LARGEST_PAGE, Front, Served, page_headers
from golem_launcher.errors import AccessError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.rules import Headers, Rules
    from golem_launcher.access.streams import Stream

LONGEST_HEAD = 128 * 1024
_PIECE = 64 * 1024
_KEEP_SECONDS = 10.0
"""How long the Lab's connection is kept for a browser that asks nothing: a VPN may carry but a few hundred."""
_IDLE_SECONDS = 600.0
"""How long a browser may keep a connection without asking anything."""
_HELD_SECONDS = 25.0
"""How long a request of a program, the Lab's page among them, waits for a Lab that is away: another may take over."""
_SHOWN_SECONDS = 1.5
"""How long a person waits before a page says so."""
_ATTEMPTS = 2
"""At what only reads: a connection may break while nothing was asked for."""
_READS = {b"GET", b"HEAD"}
_BARE = {b"accept-encoding", b"if-none-match"}
_OK, _SWITCHING, _NOT_MODIFIED = 200, 101, 304


class Gone(Exception):  # noqa: N818 - it is a state of affairs
    """The Lab's connection ended before it answered."""


@dataclass
class Side:
    """One side of a conversation: a connection and what h11 knows of it."""

    http: h11.Connection
    stream: Stream

    async def next(self) -> Any:
        """The next event. Raises ``h11.RemoteProtocolError`` or ``OSError``."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.read(_PIECE))
        return event

    async def send(self, event: Any) -> None:
        """Send an event. Raises ``h11.LocalProtocolError`` or ``OSError``."""
        data = self.http.send(event)
        if data:
            self.stream.write(data)
            await self.stream.drain()


class Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, rules: Rules, front: Front, dial: Callable[[], Awaitable[Stream]], browser: Side) -> None:
        self._rules = rules
        self._front = front
        self._dial = dial
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
                    await self._give(answers.plain(error.error_status_hint, "This is not HTTP as it should be."))
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
                await _end(lab)
                if not lab.cancelled() or not asking.done():
                    # It ended, or says what nobody asked, or was not needed for long: the next request gets a new one.
                    self.close()
            await asyncio.wait({asking}, timeout=_IDLE_SECONDS)
            event = asking.result() if asking.done() else None
        finally:
            await _end(*waiting)
        return event if isinstance(event, h11.Request) else None

    async def _answer(self, request: h11.Request) -> bool:
        """Answer one request; whether the connection can be used again."""
        headers: Headers = list(request.headers)
        refusal = self._rules.refusal(request.method, request.target, headers)
        if refusal:
            await self._give(answers.plain(403, refusal))
            return False
        asked = dict(headers)
        target = request.target.decode("ascii", "replace")
        if request.method in _READS:
            if not target.startswith(self._rules.base_url):
                await self._finish_request()
                await self._give(answers.moved(self._rules.base_url + target[1:]))
                return True
            gzipped = b"gzip" in asked.get(b"accept-encoding", b"")
            served = await asyncio.to_thread(
                self._front.file, target, gzipped=gzipped, known=asked.get(b"if-none-match")
            )
            if served is not None:
                await self._finish_request()
                await self._give(served)
                return True
        makes_page = request.method == b"GET" and self._front.wants(target)
        navigates = asked.get(b"sec-fetch-mode") == b"navigate"
        try:
            for _ in range(_ATTEMPTS - 1 if request.method in _READS else 0):
                with contextlib.suppress(Gone):
                    return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
                self.close()
            return await self._forward(request, headers, makes_page=makes_page, navigates=navigates)
        except Gone:
            await self._give(answers.away(navigates=navigates))
            return False

    async def _forward(self, request: h11.Request, headers: Headers, *, makes_page: bool, navigates: bool) -> bool:
        """Pass a request on and its answer back; whether the connection can be used again.

        Raises ``Gone`` when the Lab's connection breaks before anything of the answer was passed back.
        """
        onward = self._rules.request(headers)
        if makes_page:
            onward = [(name, value) for name, value in onward if name not in _BARE]
        try:
            lab = await self._connected(_SHOWN_SECONDS if navigates else _HELD_SECONDS)
            await lab.send(
                h11.Request(method=request.method, target=self._rules.target(request.target), headers=onward)
            )
        except (OSError, AccessError, asyncio.TimeoutError):
            raise Gone from None
        sending = asyncio.ensure_future(self._send_body(lab))
        try:
            if not await self._pass_back(request.target, lab, makes_page=makes_page) or not sending.done():
                return False  # upgraded; or the Lab did not want to hear the rest
            await sending
        finally:
            await _end(sending)
        if lab.http.our_state is h11.DONE and lab.http.their_state is h11.DONE:
            lab.http.start_next_cycle()
        else:
            self.close()
        return True

    async def _connected(self, seconds: float) -> Side:
        """The connection to the Lab, made within so many seconds. Raises ``OSError``, ``AccessError``, a time-out."""
        if self._lab is None:
            self._lab = Side(h11.Connection(h11.CLIENT, LONGEST_HEAD), await wait_for(self._dialled(), seconds))
        return self._lab

    async def _dialled(self) -> Stream:
        """A new connection to the Lab, unless the browser leaves first."""
        dialling = asyncio.ensure_future(self._dial())
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
            await _end(dialling, listening)
            if not stays and not dialling.cancelled() and dialling.exception() is None:
                dialling.result().close()

    async def _send_body(self, lab: Side) -> None:
        if self._browser.http.their_state is not h11.SEND_BODY:
            await lab.send(h11.EndOfMessage())  # all of it was read before, when another connection broke
            return
        while True:
            event = await self._browser.next()
            if isinstance(event, h11.Data | h11.EndOfMessage):
                await lab.send(event)
            if not isinstance(event, h11.Data):
                return

    async def _finish_request(self) -> None:
        """A request that is answered from here is read to its end: it should have no body, but may."""
        while isinstance(await self._browser.next(), h11.Data):
            pass

    async def _pass_back(self, path: bytes, lab: Side, *, makes_page: bool) -> bool:
        """The Lab's answer to the browser; whether it was a whole one with nothing after it."""
        while isinstance(event := await _head(lab), h11.InformationalResponse):
            upgrade = event.status_code == _SWITCHING
            await self._inform(path, event, upgrade=upgrade)
            if upgrade:
                await self._splice(lab)
                return False
        headers: Headers = list(event.headers)
        place = self._rules.leaves(event.status_code, headers)
        if place is not None:
            await self._give(Served(502, [*ruling.OUR_PAGE, answers.HTML], ruling.leaving_page(place)))
            return False
        passed = self._rules.response(path, headers)
        if makes_page and event.status_code == _OK:
            return await self._make_page(lab, passed)
        await self._browser.send(h11.Response(status_code=event.status_code, headers=passed, reason=event.reason))
        while isinstance(piece := await lab.next(), h11.Data):
            await self._browser.send(piece)
        if not isinstance(piece, h11.EndOfMessage):
            raise ConnectionResetError("the Lab left in the middle of its answer")
        await self._browser.send(h11.EndOfMessage())
        return True

    async def _inform(self, path: bytes, event: h11.InformationalResponse, *, upgrade: bool) -> None:
        headers = self._rules.response(path, list(event.headers), upgrade=upgrade)
        passed = h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)
        await self._browser.send(passed)

    async def _make_page(self, lab: Side, passed: Headers) -> bool:
        """The Lab's page, made here from the settings in the provider's."""
        theirs = b""
        while isinstance(event := await lab.next(), h11.Data):
            theirs += event.data
            if len(theirs) > LARGEST_PAGE:
                break
        made = self._front.page(theirs)
        if made is None:
            await self._give(answers.plain(502, "The provider answers with something that is not JupyterLab's page."))
            return False
        cookies = [(name, value) for name, value in passed if name == b"set-cookie"]
        await self._give(Served(200, [*page_headers(), *cookies], made))
        return True

    async def _splice(self, lab: Side) -> None:
        """After an upgrade: bytes both ways until both have ended."""
        browser = self._browser
        ways = [
            asyncio.ensure_future(_copy(browser.http.trailing_data[0], browser.stream, lab.stream)),
            asyncio.ensure_future(_copy(lab.http.trailing_data[0], lab.stream, browser.stream)),
        ]
        try:
            await asyncio.gather(*ways)
        finally:
            await _end(*ways)

    async def _give(self, served: Served) -> None:
        """Send a whole answer of our own."""
        headers = [*served.headers, (b"content-length", b"%d" % len(served.body))]
        await self._browser.send(
            h11.Response(status_code=served.status, headers=headers, reason=answers.reason(served.status))
        )
        if self._browser.http.our_state is h11.SEND_BODY and served.status != _NOT_MODIFIED:
            with contextlib.suppress(h11.LocalProtocolError):  # the answer to HEAD has no body
                await self._browser.send(h11.Data(data=served.body))
        await self._browser.send(h11.EndOfMessage())


async def _head(lab: Side) -> h11.InformationalResponse | h11.Response:
    """The next head of an answer. Raises ``Gone`` when there is none."""
    try:
        event = await lab.next()
    except (OSError, h11.RemoteProtocolError):
        raise Gone from None
    if not isinstance(event, h11.InformationalResponse | h11.Response):
        raise Gone
    return event


async def _copy(first: bytes, source: Stream, target: Stream) -> None:
    if first:
        target.write(first)
    while data := await source.read(_PIECE):
        target.write(data)
        await target.drain()
    target.write_eof()


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
