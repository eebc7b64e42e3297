"""Pending requests of a bus client: calls, streams, and requests to the router itself."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any, Final

from golem_launcher.errors import BusCallError, BusClosed, BusProtocolError
from golem_launcher.node.gsb import packets

MOST_PARTS: Final = 4096
"""Parts of a stream that nobody has taken yet; one more ends it."""

Parts = asyncio.Queue[packets.CallReply | None]
"""The parts of a stream as they come; ``None`` when the connection has ended."""


class Pending:
    """Hands the replies that come in to the calls that wait for them."""

    def __init__(self) -> None:
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the other side has said hello."""
        self._why: Exception | None = None
        self._calls: dict[str, asyncio.Future[packets.Data]] = {}
        self._streams: dict[str, Parts] = {}
        self._controls: dict[type[packets.Packet], deque[asyncio.Future[Any]]] = {}
        self._last_id = secrets.randbits(48)

    # Who asks

    def new_id(self) -> str:
        """An id that no other request of this client has."""
        self._last_id += 1
        return f"{self._last_id:x}"

    def call(self) -> tuple[str, asyncio.Future[packets.Data]]:
        """A new request's id, and the data of its only reply. :meth:`forget` it in the end."""
        request_id = self.new_id()
        answer = self._calls[request_id] = asyncio.get_running_loop().create_future()
        return request_id, answer

    def stream(self) -> tuple[str, Parts]:
        """A new request's id, and its replies. :meth:`forget` it in the end."""
        request_id = self.new_id()
        parts = self._streams[request_id] = asyncio.Queue()
        return request_id, parts

    def control(self, kind: type[packets.Packet]) -> asyncio.Future[Any]:
        """The router's next reply of that kind: they carry no id, and come in the order of the requests."""
        answer = asyncio.get_running_loop().create_future()
        self._controls.setdefault(kind, deque()).append(answer)
        return answer

    def forget(self, request_id: str) -> None:
        """Forget a request whose caller has given up."""
        self._calls.pop(request_id, None)
        self._streams.pop(request_id, None)

    # What comes

    def replied(self, reply: packets.CallReply) -> None:
        """A reply to a call, or a part of a stream."""
        answer = self._calls.get(reply.request_id)
        if answer is not None:
            if not answer.done():
                try:
                    check(reply, "The called service")
                except BusCallError as error:
                    answer.set_exception(error)
                else:
                    answer.set_result(reply.data)
            return
        parts = self._streams.get(reply.request_id)
        if parts is not None:
            if parts.qsize() >= MOST_PARTS:
                reply = packets.CallReply(reply.request_id, packets.FAILURE, 0, b"the stream was not read in time")
                del self._streams[reply.request_id]
            parts.put_nowait(reply)

    def confirmed(self, packet: packets.Packet) -> None:
        """A reply of the router; :class:`BusProtocolError` when nobody asked."""
        waiting = self._controls.get(type(packet))
        if not waiting:
            raise BusProtocolError(f"The bus sent an unexpected {type(packet).__name__}.")
        answer = waiting.popleft()
        if not answer.done():
            answer.set_result(packet)

    def ended(self, error: Exception | None) -> None:
        """The connection has ended: all who wait are told."""
        self._why = error
        waiting: list[asyncio.Future[Any]] = [self.greeted, *self._calls.values()]
        for queue in self._controls.values():
            waiting += queue
        for answer in waiting:
            if not answer.done():
                answer.set_exception(self.closed_error())
                answer.exception()  # not everyone who asked is still there to take it
        for parts in self._streams.values():
            parts.put_nowait(None)

    def closed_error(self) -> BusClosed:
        """What to raise to who asks now."""
        return BusClosed("The connection to the bus ended" + (f": {self._why}" if self._why else "") + ".")


def check(reply: packets.CallReply, address: str) -> None:
    """Raise :class:`BusCallError` for a reply that says that the call failed."""
    if reply.code != packets.OK:
        text = str(reply.data[:1000], errors="replace") or "no reason given"
        raise BusCallError(f"{address}: {text}.", code=reply.code)
