"""The router of a Golem network on this machine: of its service bus (GSB), which daemons join in central mode.

Each daemon registers ``/net/<node id>`` here; calls between nodes, market broadcasts, VPN frames and file transfers
all cross it. Services of the router's own process (the providers' exe-units and VPN ends) are attached below a node's
prefix: calls to them then skip that node's daemon. Frames are passed on as they came, without decoding them.

yagna accepts a router's port of at most four digits only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any, Final

from golem_launcher.errors import BusCallError, BusClosed, LocalNetError
from golem_launcher.localnet.router_peer import CHECK_SECONDS, Peer
from golem_launcher.node.gsb import flex, frames, packets
from golem_launcher.node.gsb.calls import BusCall, Dispatcher, Handler, Replies, unwrap
from golem_launcher.node.gsb.routes import Routes
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_log = logging.getLogger(__name__)

MOST_PEERS: Final = 256
HIGHEST_PORT: Final = 9999


class Router:
    """The router, on ``127.0.0.1:port`` (0: any free port with four digits, see :attr:`port`).

    All methods belong to the event loop that started it.
    """

    full = False  # as an origin of calls: replies to this process are taken at once

    def __init__(self, port: int = 0) -> None:
        if not 0 <= port <= HIGHEST_PORT:
            raise LocalNetError(f"The router's port {port} has more than four digits, which yagna does not accept.")
        self.port = port
        self.dropped = 0
        """Calls without reply that were dropped because their receiver was too slow."""
        self._routes: Routes[Peer | Handler] = Routes()
        self._peers: set[Peer] = set()
        self._dispatcher = Dispatcher()
        self._calls: dict[str, asyncio.Future[packets.Data]] = {}
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._last_id = secrets.randbits(40)

    async def start(self) -> None:
        """Listen. :class:`~golem_launcher.errors.LocalNetError` when the port is taken."""
        loop = asyncio.get_running_loop()
        for port in [self.port] if self.port else _some_ports():
            try:
                self._server = await loop.create_server(lambda: Peer(self), "127.0.0.1", port)
            except OSError as error:
                reason = error
                continue
            self.port = port
            self._timer = loop.call_later(CHECK_SECONDS, self._check)
            return
        where = f"port {self.port}" if self.port else "any port of four digits"
        raise LocalNetError(
            f"The router can't listen on {where} of 127.0.0.1: {reason.strerror}.",
            "End programs that hold many ports, and see that the loopback interface is up.",
        )

    async def aclose(self) -> None:
        """End all connections and whatever handlers still do."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        await self._dispatcher.aclose()
        while self._peers:
            self._ended.clear()
            for peer in self._peers:
                peer.abort()
            await self._ended.wait()
        if self._server is not None:
            await self._server.wait_closed()
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(BusClosed("The router ended."))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # For services in the router's own process

    def attach(self, prefix: str, handler: Handler) -> None:
        """Serve ``prefix`` and below from this process; :class:`BusCallError` (409) when it is taken."""
        if not self._routes.add(prefix, handler):
            raise BusCallError(f"{prefix} is taken on the router.", code=packets.CONFLICT)

    def detach(self, prefix: str) -> None:
        """Undo :meth:`attach`; nothing happens when it was not attached (a peer's prefix is its own)."""
        if not isinstance(self._routes.get(prefix), Peer):
            self._routes.remove(prefix)

    async def call(self, address: str, payload: Any, *, caller: str = "", timeout: float = 30.0) -> Any:
        """Call a service; the value of its ``Ok``. :class:`BusCallError` for its ``Err``, a failure or a time-out."""
        return unwrap(await self.call_raw(address, flex.dumps(payload), caller=caller, timeout=timeout), address)

    async def call_raw(self, address: str, data: bytes, *, caller: str = "", timeout: float = 30.0) -> packets.Data:
        """Like :meth:`call`, with the raw bytes of both sides. Of a stream, the last reply."""
        owner = self.owner(address)
        if owner is None:
            raise BusCallError(f"{address}: endpoint address not found.", code=packets.BAD_REQUEST)
        request_id = self._new_id()
        answer = self._calls[request_id] = asyncio.get_running_loop().create_future()
        try:
            packet = packets.CallRequest(caller, address, request_id, data)
            return await wait_for(self._ask(owner, packet, answer), timeout)
        except TimeoutError:
            raise BusCallError(f"{address} did not answer within {timeout:g} s.") from None
        finally:
            del self._calls[request_id]
            if isinstance(owner, Peer):
                owner.pending.pop(request_id, None)

    def post(self, address: str, data: bytes, *, caller: str = "") -> bool:
        """Send a call that wants no reply. Never waits: ``False`` when nobody is there or the way out is full."""
        owner = self.owner(address)
        if owner is None:
            return False
        packet = packets.CallRequest(caller, address, self._new_id(), data, no_reply=True)
        if not isinstance(owner, Peer):
            self.serve(owner, packet, self)
        elif owner.full:
            self.dropped += 1
            return False
        else:
            owner.send(frames.encode(packet))
        return True

    # For peers

    def joined(self, peer: Peer) -> None:
        """Called by a peer when its connection stands: it is counted."""
        self._peers.add(peer)
        if len(self._peers) > MOST_PEERS:
            peer.abort()

    def greeted(self, peer: Peer) -> None:
        """A peer said who it is: an older connection of the same one is dead, whether it knows it or not."""
        for other in self._peers:
            if other is not peer and other.instance_id and other.instance_id == peer.instance_id:
                self._strike_out(other)
                other.abort()

    def left(self, peer: Peer, error: Exception | None) -> None:
        """Called by a peer when its connection ended: it is forgotten."""
        if error is not None:
            _log.warning("A peer of the router was lost: %s", error)
        self._strike_out(peer)
        self._peers.discard(peer)
        for other in self._peers:
            waiting = [request_id for request_id, origin in other.pending.items() if origin is peer]
            for request_id in waiting:
                del other.pending[request_id]
        self._ended.set()

    def owner(self, address: str) -> Peer | Handler | None:
        """The peer that serves an address."""
        found = self._routes.find(address)
        return found[1] if found else None

    def claim(self, prefix: str, peer: Peer) -> bool:
        """Give a prefix to a peer; ``False`` when it is taken."""
        return self._routes.add(prefix, peer)

    def forget(self, prefix: str) -> None:
        """Take a prefix back from the peer that has it."""
        self._routes.remove(prefix)

    def broadcast(self, packet: packets.BroadcastRequest) -> None:
        """Pass a broadcast on to all who subscribed, the sender too; those who are full miss it."""
        frame = frames.encode(packet)
        for peer in self._peers:
            if packet.topic in peer.topics:
                if peer.full:
                    self.dropped += 1
                else:
                    peer.send(frame)

    def serve(self, handler: Handler, packet: packets.CallRequest, replies: Replies) -> None:
        """Have a call answered by a handler of this process."""
        call = BusCall(packet.caller, packet.address, packet.data, packet.no_reply)
        self._dispatcher.dispatch(handler, call, packet.request_id, replies)

    # As the origin of calls from this process

    def pass_on(self, frame: bytes) -> None:
        """A reply to a call of this process."""
        packet = frames.decode(memoryview(frame))
        assert isinstance(packet, packets.CallReply)
        self.reply(packet.request_id, packet.code, packet.data, partial=packet.reply_type == 1)

    def reply(self, request_id: str, code: int, data: packets.Data, *, partial: bool = False) -> None:
        """A reply to a call of this process."""
        answer = self._calls.get(request_id)
        if answer is None or answer.done() or partial:
            return
        if code == packets.OK:
            answer.set_result(data)
        else:
            answer.set_exception(BusCallError(str(data[:1000], errors="replace") or "no reason given", code=code))

    async def drained(self) -> None:
        """Replies to this process are taken at once."""

    async def _ask(
        self, owner: Peer | Handler, packet: packets.CallRequest, answer: asyncio.Future[packets.Data]
    ) -> packets.Data:
        if isinstance(owner, Peer):
            await owner.drained()
            owner.pending[packet.request_id] = self
            owner.send(frames.encode(packet))
        else:
            self.serve(owner, packet, self)
        return await answer

    def _strike_out(self, peer: Peer) -> None:
        for prefix in peer.services:
            self._routes.remove(prefix)
        peer.services.clear()
        peer.topics.clear()

    def _check(self) -> None:
        for peer in tuple(self._peers):
            peer.check()
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _new_id(self) -> str:
        self._last_id += 1
        return f"router-{self._last_id:x}"


def _some_ports() -> list[int]:
    """Ports to try, in an order of chance: several networks may start on one machine at the same moment."""
    return secrets.SystemRandom().sample(range(2000, HIGHEST_PORT + 1), 50)
