"""One request of a browser's, passed on to a server of the session, and its answer, passed back.

Bodies stream both ways as they come, so uploads of any size and server-sent events pass; after an upgrade (websockets)
the bytes are not looked at.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import origin_policy
from golem_launcher.access.lab.lab_frontend import LARGEST_PAGE, Served, page_headers
from golem_launcher.access.link import byte_ranges
from golem_launcher.access.link.http_connection import HttpConnection, NoAnswer, html, plain
from golem_launcher.access.sockets.in_process_stream import join
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.access.lab.lab_frontend import LabFrontend
    from golem_launcher.access.origin_policy import Headers, OriginPolicy

PACKED = {b"accept-encoding"}
"""What a request says of how its answer may be packed."""
_BARE = PACKED | {b"if-none-match"}
_MOST_INFORMATION = 8
"""Heads that come before the real one."""
_OK, _SWITCHING = 200, 101


@dataclass(frozen=True)
class Exchange:
    """A browser and the server, for the time of one request."""

    policy: OriginPolicy
    browser: HttpConnection
    server: HttpConnection
    front: LabFrontend | None = None
    """What makes JupyterLab's page, where that is asked for."""
    is_last: bool = False
    """Whether the server's connection ends with its answer."""
    body: bytes = b""
    """What was read of the request before: all of it, then."""

    async def run(self, request: h11.Request, headers: Headers) -> bool:
        """The request, then its answer; whether it was a whole one, after which both may go on.

        Raises ``NoAnswer`` when the server's connection breaks before anything of the answer was passed back, and
        ``OfAnother`` when the answer is a part of another version of what the browser has.
        """
        onward = self.policy.request(headers)
        if self.is_last:
            onward.append((b"connection", b"close"))
        if self.front is not None:
            onward = [(name, value) for name, value in onward if name not in _BARE]
        target = self.policy.target(request.target)
        try:
            await self.server.send(h11.Request(method=request.method, target=target, headers=onward))
        except OSError:
            raise NoAnswer from None
        sending = asyncio.ensure_future(self._send_body())
        try:
            if not await self._pass_back(request.target, headers) or not sending.done():
                return False  # upgraded; or the server did not want to hear the rest
            await sending
        finally:
            await cancel_all(sending)
        return True

    async def _send_body(self) -> None:
        if self.browser.http.their_state is not h11.SEND_BODY:
            if self.body:
                await self.server.send(h11.Data(data=self.body))
            await self.server.send(h11.EndOfMessage())  # all of it was read before, also where a connection broke
            return
        while True:
            event = await self.browser.next()
            if isinstance(event, h11.Data | h11.EndOfMessage):
                await self.server.send(event)
            if not isinstance(event, h11.Data):
                return

    async def _pass_back(self, path: bytes, asked: Headers) -> bool:
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
        byte_ranges.check(asked, event.status_code, headers)
        place = self.policy.leaves(event.status_code, headers)
        if place is not None:
            await self.browser.give_last(html(502, origin_policy.leaving_page(place)))
            return False
        passed = self.policy.response(path, headers)
        if self.front is not None and event.status_code == _OK:
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
