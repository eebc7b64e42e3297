"""One HTTP/1.1 connection, on h11, and the answers that are made on this side.

Used by :mod:`.reverse_proxy` for both of its sides, and by whoever else speaks HTTP over
a stream. h11 is strict: what is not HTTP ends that connection and no more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11

from golem_launcher.access import origin_policy
from golem_launcher.access.lab.lab_frontend import Served
from golem_launcher.agent.loop_yielding import LoopTurns

if TYPE_CHECKING:
    from golem_launcher.access.sockets.in_process_stream import Stream

LONGEST_HEAD = 64 * 1024
"""Bytes of a browser's request line and headers, with its cookies."""
_PIECE = 256 * 1024
_NOT_MODIFIED = 304
_HTML = (b"content-type", b"text/html; charset=utf-8")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_AGAIN_SECONDS = 3


class NoAnswer(Exception):  # noqa: N818 - it is a state of affairs
    """The connection ended, or carried something other than HTTP, before an answer came."""


@dataclass
class HttpConnection:
    """A stream with the HTTP that was exchanged on it so far."""

    http: h11.Connection
    stream: Stream
    _turns: LoopTurns = field(default_factory=LoopTurns)

    async def next(self) -> Any:
        """Wait for the next event of the other side. Raises ``h11.RemoteProtocolError`` or ``OSError``."""
        await self._turns.others()  # a body may come in chunks of one byte each
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.read(_PIECE))
        return event

    async def send(self, event: Any) -> None:
        """Send an event, and wait until the stream has room again. Raises ``h11.LocalProtocolError`` or ``OSError``."""
        data = self.http.send(event)
        if data:
            self.stream.write(data)
            await self.stream.drain()

    async def head(self) -> h11.InformationalResponse | h11.Response:
        """Wait for the next head of an answer. Raises ``NoAnswer`` if the connection ends first."""
        try:
            event = await self.next()
        except (OSError, h11.RemoteProtocolError):
            raise NoAnswer from None
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise NoAnswer
        return event

    async def skip_body(self) -> None:
        """Read the rest of a request whose body is not wanted, up to the next request."""
        while isinstance(await self.next(), h11.Data):
            pass

    async def body(self, most: int) -> bytes:
        """All of a request's body. Raises ``ConnectionResetError`` where it is longer than was said."""
        parts, size = [], 0
        while isinstance(event := await self.next(), h11.Data):
            parts.append(event.data)
            size += len(event.data)
            if size > most:
                raise ConnectionResetError("more than was announced")
        return b"".join(parts)

    async def give(self, served: Served) -> None:
        """Send a complete answer that was made on this side."""
        headers = [*served.headers, (b"content-length", b"%d" % len(served.body))]
        await self.send(h11.Response(status_code=served.status, headers=headers, reason=reason(served.status)))
        if self.http.our_state is h11.SEND_BODY and served.status != _NOT_MODIFIED:
            with contextlib.suppress(h11.LocalProtocolError):  # the answer to HEAD has no body
                await self.send(h11.Data(data=served.body))
        await self.send(h11.EndOfMessage())

    async def give_last(self, served: Served) -> None:
        """As :meth:`give`, before the connection is closed: a proxy in front is told not to use it again."""
        await self.give(Served(served.status, [*served.headers, (b"connection", b"close")], served.body))


def reason(status: int) -> bytes:
    """The standard phrase of an HTTP status."""
    return HTTPStatus(status).phrase.encode()


def plain(status: int, text: str) -> Served:
    """An answer of one sentence, for programs."""
    return Served(status, [*origin_policy.OUR_PAGE, _TEXT], f"{text}\n".encode())


def moved(place: str) -> Served:
    """A redirect to ``place``, a path on the same origin."""
    return Served(302, [*origin_policy.OUR_PAGE, (b"location", place.encode("ascii", "replace"))], b"")


def page(status: int, title: str, body: str, *, again_seconds: int | None = None) -> Served:
    """A page made on this side. ``title`` is text, ``body`` is HTML."""
    return html(status, origin_policy.html_page(title, body, again_seconds=again_seconds))


def html(status: int, body: bytes) -> Served:
    """A page made on this side, whose HTML is already whole."""
    return Served(status, [*origin_policy.OUR_PAGE, _HTML], body)


def away(who: str, why: str, *, navigates: bool) -> Served:
    """The answer while ``who`` can't be reached: a sentence, or a page that says ``why`` and reloads itself.

    ``navigates``: whether a person's browser asked for a page.
    """
    title = f"{who} does not answer at the moment"
    if not navigates:
        return plain(502, f"{title}.")
    return page(502, title, f"<p>{why} This page tries again by itself.</p>", again_seconds=_AGAIN_SECONDS)
