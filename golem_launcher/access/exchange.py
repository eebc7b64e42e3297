"""One request of a browser's passed on to the Lab, and the answer passed back.

Bodies stream both ways as they come, so uploads of any size and server-sent events pass; after an upgrade (websockets)
the bytes are not looked at.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import answers
from golem_launcher.access import rules as ruling
from golem_launcher.access.front import LARGEST_PAGE, Front, Served, page_headers
from golem_launcher.access.sides import MOST_INFORMATION, Gone, Side
from golem_launcher.access.streams import join
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.access.rules import Headers, Rules

_BARE = {b"accept-encoding", b"if-none-match"}
_OK, _SWITCHING = 200, 101


@dataclass(frozen=True)
class Exchange:
    """A browser and the Lab, for the time of one request."""

    rules: Rules
    front: Front | None
    browser: Side
    lab: Side
    makes_page: bool
    """Whether the Lab's page is asked for, which :mod:`golem_launcher.access.front` makes."""

    async def run(self, request: h11.Request, headers: Headers) -> bool:
        """The request, then its answer; whether it was a whole one, after which both may go on.

        Raises ``Gone`` when the Lab's connection breaks before anything of the answer was passed back.
        """
        onward = self.rules.request(headers)
        if self.makes_page:
            onward = [(name, value) for name, value in onward if name not in _BARE]
        target = self.rules.target(request.target)
        try:
            await self.lab.send(h11.Request(method=request.method, target=target, headers=onward))
        except OSError:
            raise Gone from None
        sending = asyncio.ensure_future(self._send_body())
        try:
            if not await self._pass_back(request.target) or not sending.done():
                return False  # upgraded; or the Lab did not want to hear the rest
            await sending
        finally:
            await cancel_all(sending)
        return True

    async def _send_body(self) -> None:
        if self.browser.http.their_state is not h11.SEND_BODY:
            await self.lab.send(h11.EndOfMessage())  # all of it was read before, when another connection broke
            return
        while True:
            event = await self.browser.next()
            if isinstance(event, h11.Data | h11.EndOfMessage):
                await self.lab.send(event)
            if not isinstance(event, h11.Data):
                return

    async def _pass_back(self, path: bytes) -> bool:
        """The Lab's answer to the browser; whether it was a whole one with nothing after it."""
        informed = 0
        while isinstance(event := await self.lab.head(), h11.InformationalResponse):
            informed += 1
            if informed > MOST_INFORMATION:
                raise Gone
            upgrade = event.status_code == _SWITCHING
            await self._inform(path, event, upgrade=upgrade)
            if upgrade:
                await self._splice()
                return False
        headers: Headers = list(event.headers)
        place = self.rules.leaves(event.status_code, headers)
        if place is not None:
            await self.browser.give(Served(502, [*ruling.OUR_PAGE, answers.HTML], ruling.leaving_page(place)))
            return False
        passed = self.rules.response(path, headers)
        if self.front is not None and self.makes_page and event.status_code == _OK:
            return await self._make_page(self.front, passed)
        await self.browser.send(h11.Response(status_code=event.status_code, headers=passed, reason=event.reason))
        while isinstance(piece := await self.lab.next(), h11.Data):
            await self.browser.send(piece)
        if not isinstance(piece, h11.EndOfMessage):
            raise ConnectionResetError("the Lab left in the middle of its answer")
        await self.browser.send(h11.EndOfMessage())
        return True

    async def _inform(self, path: bytes, event: h11.InformationalResponse, *, upgrade: bool) -> None:
        headers = self.rules.response(path, list(event.headers), upgrade=upgrade)
        passed = h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)
        await self.browser.send(passed)

    async def _make_page(self, front: Front, passed: Headers) -> bool:
        """The Lab's page, made of the provider's."""
        theirs = b""
        while isinstance(event := await self.lab.next(), h11.Data):
            theirs += event.data
            if len(theirs) > LARGEST_PAGE:
                break
        made = front.page(theirs)
        if made is None:
            await self.browser.give(
                answers.plain(502, "The provider answers with something that is not JupyterLab's page.")
            )
            return False
        cookies = [(name, value) for name, value in passed if name == b"set-cookie"]
        await self.browser.give(Served(200, [*page_headers(self.rules.policy()), *cookies], made))
        return True

    async def _splice(self) -> None:
        """After an upgrade: bytes both ways until both have ended."""
        browser, lab = self.browser, self.lab
        await join(browser.stream, browser.http.trailing_data[0], lab.stream, lab.http.trailing_data[0])
