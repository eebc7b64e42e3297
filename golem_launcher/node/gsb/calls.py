"""Dispatches incoming calls of the bus to their handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from golem_launcher.errors import BusCallError, BusClosed
from golem_launcher.node.gsb import flex, packets
from golem_launcher.node.gsb.routes import Routes
from golem_launcher.waiting import cancel_all

_log = logging.getLogger(__name__)

MOST_WAITING_CALLS: Final = 4096
"""Calls that may wait for their handlers at once; more are answered with a failure."""
MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Bytes of payload that those calls may hold."""


@dataclass(frozen=True, slots=True)
class BusCall:
    """One incoming call. ``caller`` is what the bus says, a node id when it crossed the network."""

    caller: str
    address: str
    data: packets.Data
    no_reply: bool = False

    @property
    def component(self) -> str:
        """The last segment of the address: which method is called."""
        return self.address.rpartition("/")[2]

    def payload(self) -> Any:
        """The decoded argument; :class:`~golem_launcher.errors.BusProtocolError` when it is malformed."""
        return flex.loads(self.data)


Reply = bytes | Awaitable[bytes] | AsyncIterator[bytes]
Handler = Callable[[BusCall], Reply]
"""What answers calls: gives the reply's raw bytes at once (cheapest: no task), later, or as a stream of parts.

Raising :class:`~golem_launcher.errors.BusCallError` answers with its code and text, anything else is logged and
answered as a failure without details.
"""


_DONE: Final = flex.dumps({"Ok": None})  # made once: every frame of a VPN is answered with it


def ok(value: Any = None) -> bytes:
    """The reply that Rust calls ``Ok(value)``."""
    return _DONE if value is None else flex.dumps({"Ok": value})


def err(value: Any) -> bytes:
    """The reply that Rust calls ``Err(value)``."""
    return flex.dumps({"Err": value})


def unwrap(data: packets.Data, address: str) -> Any:
    """The value of an ``Ok`` reply; :class:`BusCallError` with what an ``Err`` reply says."""
    if not data:  # what becomes of any failure on its way through a yagna in central mode
        raise BusCallError(f"{address} gave no answer: it is not there, or it failed.", code=packets.BAD_REQUEST)
    result = flex.loads(data)
    if isinstance(result, dict) and len(result) == 1:
        if "Ok" in result:
            return result["Ok"]
        if "Err" in result:
            raise BusCallError(f"{address} answered: {_explain(result['Err'])}.")
    raise BusCallError(f"{address} answered with something that is no result.")


def _explain(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, detail),) = value.items()
        return f"{kind}: {_explain(detail)}"
    return str(value)


class Replies(Protocol):
    """Where replies go."""

    def reply(self, request_id: str, code: int, data: bytes, *, partial: bool = False) -> None:
        """Send one reply of a stream of replies, at once."""

    async def drained(self) -> None:
        """Wait until the other side has taken what was sent, as far as it needs to keep memory bounded."""


class Dispatcher:
    """Hands calls to the handlers of their prefixes and their replies back; owns the tasks that this takes."""

    def __init__(self) -> None:
        self.routes: Routes[Handler] = Routes()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_bytes = 0

    def dispatch(self, handler: Handler, call: BusCall, request_id: str, replies: Replies) -> None:
        """Answer one call. Never raises, never waits."""
        if len(self._tasks) >= MOST_WAITING_CALLS or self._waiting_bytes > MOST_WAITING_BYTES:
            if not call.no_reply:
                replies.reply(request_id, packets.FAILURE, b"too many calls at once")
            return
        try:
            result = handler(call)
        except Exception as error:  # noqa: BLE001 - a border: whatever a handler does, the bus lives on
            code, text = _failure(error, call)
            if not call.no_reply:
                replies.reply(request_id, code, text)
            return
        if isinstance(result, bytes):
            if not call.no_reply:
                replies.reply(request_id, packets.OK, result)
            return
        self._waiting_bytes += len(call.data)
        task = asyncio.ensure_future(self._finish(result, call, request_id, replies))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Cancel what still runs, and wait for it."""
        tasks = tuple(self._tasks)
        await cancel_all(*tasks)

    async def _finish(
        self, result: Awaitable[bytes] | AsyncIterator[bytes], call: BusCall, request_id: str, replies: Replies
    ) -> None:
        try:
            if isinstance(result, AsyncIterator):
                await self._stream(result, call, request_id, replies)
                data = b""  # the empty last reply ends the stream
            else:
                data = await result
            code = packets.OK
        except BusClosed:
            return  # nobody is there to be told
        except Exception as error:  # noqa: BLE001 - see dispatch
            code, data = _failure(error, call)
        finally:
            self._waiting_bytes -= len(call.data)
        if not call.no_reply:
            replies.reply(request_id, code, data)

    @staticmethod
    async def _stream(parts: AsyncIterator[bytes], call: BusCall, request_id: str, replies: Replies) -> None:
        try:
            async for part in parts:
                if not call.no_reply:
                    await replies.drained()
                    replies.reply(request_id, packets.OK, part, partial=True)
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()


def _failure(error: Exception, call: BusCall) -> tuple[int, bytes]:
    if isinstance(error, BusCallError):
        return error.code if error.code in {packets.BAD_REQUEST, packets.FAILURE} else packets.FAILURE, str(
            error
        ).encode()
    _log.error("A call to %s failed", call.address, exc_info=error)
    return packets.FAILURE, b"internal error"


class Bus(Protocol):
    """What can call services: a client's connection, or the router itself."""

    async def call_raw(self, address: str, data: bytes, *, caller: str = "", timeout: float = 30.0) -> packets.Data:
        """Call a service: the reply's raw bytes."""
