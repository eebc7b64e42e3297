"""One side of an HTTP conversation: a connection, and what h11 knows of it.

HTTP is h11's, which is strict: what a provider answers in some other way ends that connection and no more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11

from golem_launcher.access import answers
from golem_launcher.agent.yielding import Turns

if TYPE_CHECKING:
    from golem_launcher.access.front import Served
    from golem_launcher.access.streams import Stream

LONGEST_HEAD = 64 * 1024
"""Of a browser's request, with its cookies."""
LONGEST_ANSWER_HEAD = 16 * 1024
"""Of the Lab's: a head is taken apart in one go."""
MOST_INFORMATION = 8
"""Heads that come before the real one."""
PIECE = 64 * 1024
_NOT_MODIFIED = 304


class Gone(Exception):  # noqa: N818 - it is a state of affairs
    """The Lab's connection ended before it answered."""


@dataclass
class Side:
    """A connection, and what was said on it."""

    http: h11.Connection
    stream: Stream
    _turns: Turns = field(default_factory=Turns)

    async def next(self) -> Any:
        """The next event. Raises ``h11.RemoteProtocolError`` or ``OSError``."""
        await self._turns.others()  # a body may come in chunks of one byte each
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.read(PIECE))
        return event

    async def send(self, event: Any) -> None:
        """Send an event. Raises ``h11.LocalProtocolError`` or ``OSError``."""
        data = self.http.send(event)
        if data:
            self.stream.write(data)
            await self.stream.drain()

    async def head(self) -> h11.InformationalResponse | h11.Response:
        """The next head of an answer. Raises ``Gone`` when there is none."""
        try:
            event = await self.next()
        except (OSError, h11.RemoteProtocolError):
            raise Gone from None
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise Gone
        return event

    async def skip_body(self) -> None:
        """Read a request that is answered without its body to its end: it should have none, but may."""
        while isinstance(await self.next(), h11.Data):
            pass

    async def give(self, served: Served) -> None:
        """Send a whole answer of our own."""
        headers = [*served.headers, (b"content-length", b"%d" % len(served.body))]
        await self.send(h11.Response(status_code=served.status, headers=headers, reason=answers.reason(served.status)))
        if self.http.our_state is h11.SEND_BODY and served.status != _NOT_MODIFIED:
            with contextlib.suppress(h11.LocalProtocolError):  # the answer to HEAD has no body
                await self.send(h11.Data(data=served.body))
        await self.send(h11.EndOfMessage())
