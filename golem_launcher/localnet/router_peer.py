"""One peer's connection to the router: its registrations, its pending calls, its back pressure."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Protocol

from golem_launcher import socket_owner
from golem_launcher.errors import BusProtocolError
from golem_launcher.node.gsb import frames, packets
from golem_launcher.node.gsb.connection import FrameConnection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.node.gsb.calls import Handler, Replies

MOST_NAMES: Final = 1024  # services and topics of one peer, each
LONGEST_NAME: Final = 1024
MOST_PENDING: Final = 16384  # calls that one peer has not answered yet
CHECK_SECONDS: Final = 5.0
_PING_AFTER: Final = 2  # checks without a byte from the peer
_LOST_AFTER: Final = 6
_STALLED_AFTER: Final = 2  # checks in which a full peer took nothing
_SELF: Final = frames.encode(packets.Hello("golem-launcher-router", "0.8.0", secrets.token_bytes(16)))
_PING: Final = frames.encode(packets.Ping())
_PONG: Final = frames.encode(packets.Pong())


class Origin(Protocol):
    """The caller, which gets the replies to a call."""

    @property
    def full(self) -> bool:
        """Whether who asked should be spared for now."""

    def pass_on(self, frame: bytes) -> None:
        """Take a reply as it came."""

    def reply(self, request_id: str, code: int, data: bytes, *, partial: bool = False) -> None:
        """Take a reply that the router makes itself."""


class Routing(Protocol):
    """What a peer's frames are routed by: the router."""

    dropped: int
    """Frames that were not passed on, because who should have them was full."""

    def joined(self, peer: Peer) -> None:
        """A connection was made."""

    def greeted(self, peer: Peer) -> None:
        """A peer said who it is."""

    def left(self, peer: Peer, error: Exception | None) -> None:
        """A connection ended."""

    def owner(self, address: str) -> Peer | Handler | None:
        """The peer that serves an address."""

    def claim(self, prefix: str, peer: Peer) -> bool:
        """Give a prefix to a peer; ``False`` when it is taken."""

    def forget(self, prefix: str) -> None:
        """Take a prefix back from the peer that has it."""

    def broadcast(self, packet: packets.BroadcastRequest) -> None:
        """Pass a broadcast on to all who subscribed."""

    def serve(self, handler: Handler, packet: packets.CallRequest, replies: Replies) -> None:
        """Have a call answered by a handler of the router's own process."""


class Peer(FrameConnection):
    """A daemon, or whoever else connects. Nothing it sends can end more than its own connection.

    A peer that does not read what others send to it holds those others up once :data:`SEND_LIMIT
    <golem_launcher.node.gsb.connection.SEND_LIMIT>` bytes wait for it; when it takes nothing at all for some seconds
    it is dropped. So memory stays bounded and nobody is held up for long.
    """

    def __init__(self, router: Routing) -> None:
        super().__init__()
        self._router = router
        self.services: set[str] = set()
        self.topics: set[str] = set()
        self.pending: dict[str, Origin] = {}
        self.instance_id: bytes | None = None
        self._holds: set[Peer] = set()
        self._held_by: set[Peer] = set()
        self._seen = self._taken = 0
        self._silent = self._stalled = 0

    # Flow

    def hold(self, source: Peer) -> None:
        """Stop reading from ``source`` until this peer took what waits for it."""
        self._holds.add(source)
        source._held_by.add(self)
        source.pause(True)

    def _release(self) -> None:
        for source in self._holds:
            source._held_by.discard(self)  # noqa: SLF001
            if not source._held_by:  # noqa: SLF001
                source.pause(False)
        self._holds.clear()

    def room_again(self) -> None:
        """Let those go on who waited for room."""
        self._release()

    def check(self) -> None:
        """Every :data:`CHECK_SECONDS`: drop a peer that is gone, or takes nothing; ask a silent one."""
        taken = self.bytes_sent - self.unsent
        self._stalled = self._stalled + 1 if self.full and taken == self._taken else 0
        self._taken = taken
        if not self._held_by:  # else its silence is our doing
            self._silent = self._silent + 1 if self.bytes_received == self._seen else 0
            self._seen = self.bytes_received
        if self._stalled >= _STALLED_AFTER or self._silent >= _LOST_AFTER:
            self.abort()
        elif self._silent >= _PING_AFTER and not self.full:
            self.send(_PING)

    # Frames

    def connection_made(self, transport: object) -> None:
        """Greet; but not another user of this computer, who could serve and rent here in the user's name."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if not socket_owner.is_ours(transport):  # type: ignore[arg-type]
            self.abort()
            return
        self._router.joined(self)
        self.send(_SELF)

    def frame_received(self, frame: bytes) -> None:
        """Route calls and replies as they are; answer the rest."""
        number, start, end = frames.envelope(frame)
        if self.instance_id is None:
            self._greeted(frames.decode(frame))
        elif number == frames.CALL_REQUEST:
            self._call(frame, start, end)
        elif number == frames.CALL_REPLY:
            self._reply(frame, start, end)
        else:
            self._control(frames.decode(frame))
            if self.full:
                self.hold(self)

    def pass_on(self, frame: bytes) -> None:
        """A reply for this peer."""
        self.send(frame)

    def connection_ended(self, error: Exception | None) -> None:
        """Fail what others wait for from this peer, and forget it."""
        self._release()
        for source in tuple(self._held_by):
            source._holds.discard(self)  # noqa: SLF001
        pending, self.pending = self.pending, {}
        for request_id, origin in pending.items():
            origin.reply(request_id, packets.FAILURE, b"lost connection")
        self._router.left(self, error)

    def _greeted(self, packet: packets.Packet) -> None:
        if not isinstance(packet, packets.Hello):
            raise BusProtocolError("A peer spoke before it said hello.")
        self.instance_id = packet.instance_id[:LONGEST_NAME]
        self._router.greeted(self)

    def _call(self, frame: bytes, start: int, end: int) -> None:
        address, request_id, no_reply = frames.peek_call(frame, start, end)
        owner = self._router.owner(address)
        if isinstance(owner, Peer):
            if not no_reply:
                if not self._may_ask(owner, request_id):
                    return
                owner.pending[request_id] = self
            elif owner.full:
                self._router.dropped += 1
                return
            owner.send(frame)
            if owner.full:
                owner.hold(self)
        elif owner is None:
            if not no_reply:
                self._refuse(request_id, packets.BAD_REQUEST, b"endpoint address not found")
        else:
            packet = frames.decode(frame)
            assert isinstance(packet, packets.CallRequest)
            self._router.serve(owner, packet, self)
            if self.full:
                self.hold(self)

    def _may_ask(self, owner: Peer, request_id: str) -> bool:
        if request_id in owner.pending:
            self._refuse(request_id, packets.BAD_REQUEST, b"duplicate request id")
        elif len(owner.pending) >= MOST_PENDING:
            self._refuse(request_id, packets.FAILURE, b"too many calls wait for this service")
        else:
            return True
        return False

    def _refuse(self, request_id: str, code: int, text: bytes) -> None:
        self.reply(request_id, code, text)
        if self.full:
            self.hold(self)

    def _reply(self, frame: bytes, start: int, end: int) -> None:
        request_id, last = frames.peek_reply(frame, start, end)
        origin = self.pending.pop(request_id, None) if last else self.pending.get(request_id)
        if origin is not None:  # else who asked is gone
            origin.pass_on(frame)
            if origin.full and isinstance(origin, Peer):
                origin.hold(self)

    def _control(self, packet: packets.Packet) -> None:
        if isinstance(packet, packets.Ping):
            self.send(_PONG)
        elif isinstance(packet, packets.BroadcastRequest):
            self._router.broadcast(packet)
            self.send(frames.encode(packets.BroadcastReply()))
        elif isinstance(packet, packets.RegisterRequest):
            self.send(frames.encode(self._register(packet.service_id)))
        elif isinstance(packet, packets.UnregisterRequest):
            known = packet.service_id in self.services
            if known:
                self.services.discard(packet.service_id)
                self._router.forget(packet.service_id)
            self.send(frames.encode(packets.UnregisterReply(packets.OK if known else packets.NOT_FOUND)))
        elif isinstance(packet, packets.SubscribeRequest):
            self.send(frames.encode(self._subscribe(packet.topic)))
        elif isinstance(packet, packets.UnsubscribeRequest):
            known = packet.topic in self.topics
            self.topics.discard(packet.topic)
            self.send(frames.encode(packets.UnsubscribeReply(packets.OK if known else packets.NOT_FOUND)))
        elif not isinstance(packet, packets.Pong):
            raise BusProtocolError(f"A peer sent an unexpected {type(packet).__name__}.")

    def _register(self, prefix: str) -> packets.RegisterReply:
        if not acceptable(prefix, self.services) or not prefix.startswith("/") or prefix.endswith("/"):
            return packets.RegisterReply(packets.BAD_REQUEST, "no valid address, or too many")
        if not self._router.claim(prefix, self):
            return packets.RegisterReply(packets.CONFLICT, "taken")
        self.services.add(prefix)
        return packets.RegisterReply()

    def _subscribe(self, topic: str) -> packets.SubscribeReply:
        if not acceptable(topic, self.topics):
            return packets.SubscribeReply(packets.BAD_REQUEST, "no valid topic, or too many")
        self.topics.add(topic)
        return packets.SubscribeReply()


def acceptable(name: str, others: Iterable[str]) -> bool:
    """Whether a peer may have one more name."""
    return 0 < len(name) <= LONGEST_NAME and len(tuple(others)) < MOST_NAMES
