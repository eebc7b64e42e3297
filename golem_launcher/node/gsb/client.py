"""A client of the service bus: calls services and offers services."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from golem_launcher.errors import BusCallError, BusError
from golem_launcher.node.gsb import flex, frames, packets
from golem_launcher.node.gsb.calls import BusCall, Dispatcher, Handler, unwrap
from golem_launcher.node.gsb.connection import FrameConnection
from golem_launcher.node.gsb.pending import Pending, check
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from golem_launcher.node.gsb.packets import Data

DEFAULT_PORT: Final = 7464
_CONTROL_SECONDS: Final = 30.0


class _Link(FrameConnection):
    """The connection of a client: what comes in goes to the client."""

    def __init__(self, client: GsbClient) -> None:
        super().__init__()
        self._client = client

    def frame_received(self, frame: bytes) -> None:
        self._client._received(frames.decode(memoryview(frame)))  # noqa: SLF001 - one thing in two classes

    def connection_ended(self, error: Exception | None) -> None:
        self._client._ended(error)  # noqa: SLF001


class GsbClient:
    """One connection to a bus. Make it with :meth:`connect`; use it as an async context manager.

    All methods belong to the event loop that made it. ``closed`` is set when the connection has ended, for whatever
    reason; calls that wait then raise :class:`~golem_launcher.errors.BusClosed`.
    """

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._link = _Link(self)
        self._pending = Pending()
        self._dispatcher = Dispatcher()

    @classmethod
    async def connect(cls, url: str, *, name: str = "golem-launcher", deadline: float = 10.0) -> Self:
        """Connect to ``unix:/path`` or ``tcp://host:port`` within ``deadline`` seconds; :class:`BusError` if not."""
        client = cls()
        try:
            await wait_for(client._open(url, name), deadline)
        except (TimeoutError, OSError, ValueError, BusError) as error:
            client._link.abort()
            reason = str(error) or f"no answer within {deadline:g} s"
            raise BusError(f"Can't connect to the bus at {url}: {reason}.", "Is yagna running?") from error
        except BaseException:
            client._link.abort()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection; handlers that still run are cancelled."""
        self._link.close()
        await self._dispatcher.aclose()
        try:
            await wait_for(self.closed.wait(), 2.0)
        except TimeoutError:
            self._link.abort()  # the other side does not take what we sent
            await self.closed.wait()

    # Calls

    async def call(self, address: str, payload: Any, *, caller: str = "", timeout: float = 30.0) -> Any:
        """Call a service; the value of its ``Ok``. :class:`BusCallError` for its ``Err``, a failure or a time-out."""
        return unwrap(await self.call_raw(address, flex.dumps(payload), caller=caller, timeout=timeout), address)

    async def call_raw(self, address: str, data: bytes, *, caller: str = "", timeout: float = 30.0) -> Data:
        """Like :meth:`call`, with the raw bytes of both sides."""
        request_id, answer = self._pending.call()
        try:
            return await wait_for(self._ask(answer, request_id, address, data, caller), timeout)
        except TimeoutError:
            raise BusCallError(f"{address} did not answer within {timeout:g} s.") from None
        finally:
            self._pending.forget(request_id)

    async def stream(
        self,
        address: str,
        payload: Any,
        *,
        caller: str = "",
        timeout: float = 30.0,
    ) -> AsyncIterator[Any]:
        """Call a service that answers in parts: the ``Ok`` value of each. ``timeout`` bounds the wait for one part."""
        request_id, parts = self._pending.stream()
        try:
            await wait_for(self._link.drained(), timeout)
            self._link.send(frames.encode(packets.CallRequest(caller, address, request_id, flex.dumps(payload))))
            last = False
            while not last:
                reply = await wait_for(parts.get(), timeout)
                if reply is None:
                    raise self._pending.closed_error()
                check(reply, address)
                last = reply.reply_type == 0
                if reply.data:
                    yield unwrap(reply.data, address)
        except TimeoutError:
            raise BusCallError(f"{address} sent nothing for {timeout:g} s.") from None
        finally:
            self._pending.forget(request_id)

    def post(self, address: str, data: Data, *, caller: str = "") -> bool:
        """Send a call that wants no reply. Never waits: ``False`` when it was dropped, the way out being full."""
        if self._link.full or not self._link.open:
            return False
        self._link.send(
            frames.encode(packets.CallRequest(caller, address, self._pending.new_id(), data, no_reply=True))
        )
        return True

    async def drained(self) -> None:
        """Wait for room in the send buffer: what a handler of bulk data does before it makes its reply."""
        await self._link.drained()

    # Services

    async def register(self, prefix: str, handler: Handler) -> None:
        """Offer a service: calls to ``prefix`` and below go to ``handler``. :class:`BusCallError` when it is taken."""
        if not self._dispatcher.routes.add(prefix, handler):
            raise BusCallError(f"{prefix} is registered already.", code=packets.CONFLICT)
        code = packets.FAILURE
        try:
            reply = await self._control(packets.RegisterRequest(prefix), packets.RegisterReply)
            code = reply.code
        finally:
            if code != packets.OK:
                self._dispatcher.routes.remove(prefix)
        if code != packets.OK:
            what = "is taken" if code == packets.CONFLICT else "was refused by the bus"
            raise BusCallError(f"{prefix} {what}.", reply.message, code=code)

    async def unregister(self, prefix: str) -> None:
        """Stop offering a service; no error when the bus does not know it (any more)."""
        await self._control(packets.UnregisterRequest(prefix), packets.UnregisterReply)
        self._dispatcher.routes.remove(prefix)

    # Inside

    async def _open(self, url: str, name: str) -> None:
        loop = asyncio.get_running_loop()
        kind, host, port = parse_url(url)
        if kind == "unix":
            await loop.create_unix_connection(lambda: self._link, host)
        else:
            await loop.create_connection(lambda: self._link, host, port)
        self._link.send(frames.encode(packets.Hello(name, "0.8.0", secrets.token_bytes(16))))
        await self._pending.greeted

    async def _ask(self, answer: asyncio.Future[Data], request_id: str, address: str, data: bytes, caller: str) -> Data:
        await self._link.drained()
        self._link.send(frames.encode(packets.CallRequest(caller, address, request_id, data)))
        return await answer

    async def _control(self, request: packets.Packet, kind: type[packets.Packet]) -> Any:
        if not self._link.open:
            raise self._pending.closed_error()
        answer = self._pending.control(kind)
        self._link.send(frames.encode(request))
        try:
            return await wait_for(answer, _CONTROL_SECONDS)
        except TimeoutError:
            raise BusCallError(f"The bus did not answer within {_CONTROL_SECONDS:g} s.") from None

    def _received(self, packet: packets.Packet) -> None:
        if isinstance(packet, packets.CallRequest):
            self._serve(packet)
        elif isinstance(packet, packets.CallReply):
            self._pending.replied(packet)
        elif isinstance(packet, packets.Ping):
            self._link.send(frames.encode(packets.Pong()))
        elif isinstance(packet, packets.Hello):
            if not self._pending.greeted.done():
                self._pending.greeted.set_result(None)
        elif not isinstance(packet, packets.Pong):
            self._pending.confirmed(packet)

    def _serve(self, packet: packets.CallRequest) -> None:
        found = self._dispatcher.routes.find(packet.address)
        if found is not None:
            call = BusCall(packet.caller, packet.address, packet.data, packet.no_reply)
            self._dispatcher.dispatch(found[1], call, packet.request_id, self._link)
        elif not packet.no_reply:
            self._link.reply(packet.request_id, packets.BAD_REQUEST, b"endpoint address not found")

    def _ended(self, error: Exception | None) -> None:
        self._pending.ended(error)
        self.closed.set()


def parse_url(url: str) -> tuple[str, str, int]:
    """``("unix", path, 0)`` or ``("tcp", host, port)``; ``ValueError`` for anything else."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return "unix", parts.path, 0
    if parts.scheme == "tcp" and parts.hostname:
        return "tcp", parts.hostname, parts.port or DEFAULT_PORT
    raise ValueError("a bus has an address like unix:/path or tcp://host:port")
