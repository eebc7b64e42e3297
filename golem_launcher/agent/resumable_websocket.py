"""A kernel's websocket that can be taken up again without a message lost or heard twice, for the notebook kernel.

Jupyter Server keeps what comes while a client is away and gives it to who comes back by the same session id. What was
on its way when the connection broke is lost with it: the ``idle`` of a cell, say, which then never ends. So for a
client that asks for it (``resume`` in the address) messages are counted on both sides. The counts travel as text
frames, ``{"received": N}``, the messages as binary ones. Each side keeps what the other has not counted yet, and sends
it again on the next connection. For all other clients this is Jupyter Server's own connection.

Output to such a client has no limit of rate: it is for a program that reads, and the browser behind it has its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import weakref
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError

from .cell_outputs import SETTING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_KEPT = 64 * 1024 * 1024
"""Bytes for one client that is away; then the oldest go."""
_MOST_CLIENTS = 32
_MOST_SEEN = 4096
_BUSY_SECONDS = 1.0
"""A kernel that is busy for longer runs a cell, and will hear of the connection before the next."""
_LOOK_SECONDS = 0.01
_STARTING = "starting"
"""What a kernel does that is started anew. Jupyter Server has it busy with what it died at, and looks at none that is:
what it says is then lost to whoever listens a moment late, and it seems to be busy for ever."""


class _Conversation:
    """What outlives a connection: what was sent and not counted by the client, and how much came from it."""

    def __init__(self) -> None:
        self.received = 0
        self.newest: ResumableConnection | None = None
        """By it goes what any of them hears, and by it alone the client is heard. Those before are broken, which the
        server may hear late: what is written to one is lost, and what is still read from one is sent again by this."""
        self.connected: Any = None
        """The sockets to the kernel that were seen to be connected. It is not seen of new ones, nor when the kernel was
        started anew: what listens may be connected to it after what asks, and what it says before is lost."""
        self._first = 0
        """The number of the oldest message that is kept."""
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def is_new(self, header: bytes) -> bool:
        """Whether this message was not there yet: while connections overlap both hear what the kernel says."""
        if header in self._seen:
            return False
        self._seen[header] = None
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return True

    def add(self, data: bytes) -> None:
        self._kept.append(data)
        self._size += len(data)
        while self._size > _MOST_KEPT:
            self._drop()

    def counted(self, received: int) -> None:
        """The client has this many."""
        while self._kept and self._first < received:
            self._drop()

    @property
    def kept(self) -> tuple[bytes, ...]:
        return tuple(self._kept)

    def _drop(self) -> None:
        self._size -= len(self._kept.popleft())
        self._first += 1


class _Done:
    """A future that is done, whose callbacks are called at once: nobody leaves between two steps of connecting."""

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        callback(self)

    def __await__(self) -> Iterator[None]:
        return iter(())


class ResumableConnection(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """Jupyter Server makes one for each websocket."""

    channels: Any
    _conversations: OrderedDict[str, _Conversation] = OrderedDict()  # noqa: RUF012 - of all connections, by session
    _conversation: _Conversation | None = None
    agreed = False
    """Whether the client has said how much it has: until then all is kept for it."""

    _protocol: str | None = None
    """What was agreed on with the client: Jupyter Server forgets it with the websocket, before the last message."""
    _before: ResumableConnection | None = None
    """The one of the same client that this one takes the place of; it may not know yet that it leads nowhere."""
    _followed = False
    """Whether another one has taken its place."""
    _connected = False
    """Whether it came as far as to be connected to the kernel."""

    def connect(self) -> Any:
        """Called when the websocket is open."""
        self._connected = True
        if self._outputs is not None:
            self._outputs.listen(self.kernel_id)
        self.websocket_handler.set_nodelay(True)  # a reply is several small messages: none waits for the last's receipt
        if self.websocket_handler.get_argument("resume", None) is not None:
            self.limit_rate = False
            self._protocol = super().subprotocol
            talk = self._conversation = self._conversations.pop(self.session_key, None) or self._begin()
            self._conversations[self.session_key] = talk
            while len(self._conversations) > _MOST_CLIENTS:
                self._conversations.popitem(last=False)
            self._before, talk.newest = talk.newest, self
            if self._before is not None:  # Jupyter Server closed it only if it was open when this one was asked for
                self._before.websocket_handler.close()
            self._tell(talk)
        try:
            return super().connect()
        finally:
            self._before = None  # else each would keep all before it

    def _begin(self) -> _Conversation:
        """A conversation, which hears that the kernel died while its client is away, too."""
        talk = _Conversation()
        followed = weakref.ref(talk)

        def restarted() -> None:
            talk = followed()
            if talk is not None and talk.newest is not None:
                talk.connected = None
                talk.newest.tell_restarted()
                talk.newest.websocket_handler.close()  # whoever connects again waits until the kernel is heard

        self.multi_kernel_manager.add_restart_callback(self.kernel_id, restarted)
        return talk

    def on_kernel_restarted(self) -> None:
        """Called when the kernel died and is about to be started anew, while this one is connected."""
        if self._conversation is None:  # else that tells of it
            self.tell_restarted()

    def tell_restarted(self) -> None:
        """Have the client know that the kernel died and is started anew."""
        self.kernel_manager.execution_state = _STARTING
        super().on_kernel_restarted()

    @property
    def _outputs(self) -> Any:
        """Who keeps what cells put out."""
        return self.websocket_handler.settings.get(SETTING)

    @property
    def subprotocol(self) -> Any:
        """How messages are written."""
        return super().subprotocol if self._protocol is None else self._protocol

    def create_stream(self) -> None:
        """Called when there are no sockets from before, or another connection has them: what comes stays in order."""
        before = self._before
        if before is None or not before._can_be_followed:  # noqa: SLF001 - of this class
            super().create_stream()
            return
        self.channels, before.channels = before.channels, {}
        before.disconnect()
        before._followed = True  # noqa: SLF001 - of this class

    @property
    def _can_be_followed(self) -> bool:
        # Until its sockets were seen to be connected they are looked at by what would, at its end, stop those who
        # listen on them then.
        return self._is_connected and bool(self.channels) and not any(one.closed() for one in self.channels.values())

    @property
    def _is_connected(self) -> bool:
        return self._conversation is not None and self._conversation.connected is self.channels

    def disconnect(self) -> None:
        """Called when the websocket is closed; who was followed has done so.

        Also where the client left before it was open. Jupyter Server would take that for the end of the connection
        that the kernel has, and drop what it keeps for its client.
        """
        if self._connected and not self._followed:
            super().disconnect()
        elif not self._connected and self._open_sessions.get(self.session_key) is self.websocket_handler:
            del self._open_sessions[self.session_key]

    def nudge(self) -> Any:
        """Called to see that new sockets are connected. It takes what comes by them meanwhile: not from old ones."""
        if self._conversation is None:
            return super().nudge()
        return _Done() if self._is_connected else asyncio.ensure_future(self._nudge_when_idle(self._conversation))

    async def _nudge_when_idle(self, talk: _Conversation) -> None:
        """Jupyter Server does not look at a kernel that is busy, and each is for a moment when it was asked who it is.

        What the first cell prints would be lost where nobody hears yet.
        """
        now = asyncio.get_running_loop().time
        end = now() + _BUSY_SECONDS
        while getattr(self.kernel_manager, "execution_state", None) == "busy" and now() < end:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        if self.channels:  # the client has not left meanwhile
            await super().nudge()
            talk.connected = self.channels

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Called with what the client sent."""
        talk = self._conversation
        if self._outputs is not None and talk is None:
            self._outputs.requested(self.kernel_id, incoming_msg)
        if talk is None:
            super().handle_incoming_message(incoming_msg)
        elif talk.newest is not self:
            return
        elif isinstance(incoming_msg, str):
            talk.counted(int(json.loads(incoming_msg)["received"]))
            if not self.agreed:
                self.agreed = True
                for data in talk.kept:
                    self.send(data, binary=True)
        elif self.channels:
            talk.received += 1
            super().handle_incoming_message(incoming_msg)
            self._tell(talk)

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        if self._conversation is None or self._conversation.is_new(bytes(msg_list[0])):
            super()._on_zmq_reply(stream, msg_list)

    @property
    def write_message(self) -> Any:
        """What messages are sent by."""
        talk = self._conversation
        return super().write_message if talk is None else functools.partial(self._keep_and_send, talk)

    @staticmethod
    def _keep_and_send(talk: _Conversation, data: bytes, binary: bool = True) -> None:  # noqa: FBT001, FBT002 - tornado's
        talk.add(data)
        newest = talk.newest
        if newest is not None and newest.agreed:
            newest.send(data, binary=binary)

    def _tell(self, talk: _Conversation) -> None:
        self.send(json.dumps({"received": talk.received}), binary=False)

    def send(self, data: Any, *, binary: bool) -> None:
        """To the client, unless this connection is over."""
        with contextlib.suppress(WebSocketClosedError):  # it is kept for the next connection
            self.websocket_handler.write_message(data, binary=binary)
