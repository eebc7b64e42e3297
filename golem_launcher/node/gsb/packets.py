"""The messages of the service bus (GSB), and the codes in its replies.

They are small and fixed, so they are written out here; every field's number on the wire is its position in the class.
(Source: ``gsb_api.proto`` of golemfactory/ya-service-bus.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

OK: Final = 0
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
CONFLICT: Final = 409
FAILURE: Final = 500

Data = bytes | memoryview
"""A payload: a view of the frame that it came in, where that is large."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of both sides."""

    name: str = ""
    version: str = ""
    instance_id: bytes = b""


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """Ask the router to send us calls whose address starts with ``service_id``."""

    service_id: str = ""


@dataclass(frozen=True, slots=True)
class RegisterReply:
    """0, 400 or 409 (taken). Replies come in the order of the requests."""

    code: int = OK
    message: str = ""


@dataclass(frozen=True, slots=True)
class UnregisterRequest:
    """Undo a :class:`RegisterRequest`."""

    service_id: str = ""


@dataclass(frozen=True, slots=True)
class UnregisterReply:
    """0 or 404."""

    code: int = OK


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call; ``request_id`` joins its replies to it, ``no_reply`` says that none is wanted."""

    caller: str = ""
    address: str = ""
    request_id: str = ""
    data: Data = b""
    no_reply: bool = False


@dataclass(frozen=True, slots=True)
class CallReply:
    """0, 400 or 500 (then data is a text); ``reply_type`` 1 is one part of a stream, 0 the only or last reply."""

    request_id: str = ""
    code: int = OK
    reply_type: int = 0
    data: Data = b""


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """Ask for the broadcasts of a topic."""

    topic: str = ""


@dataclass(frozen=True, slots=True)
class SubscribeReply:
    """0 or 400."""

    code: int = OK
    message: str = ""


@dataclass(frozen=True, slots=True)
class UnsubscribeRequest:
    """Undo a :class:`SubscribeRequest`."""

    topic: str = ""


@dataclass(frozen=True, slots=True)
class UnsubscribeReply:
    """0 or 404."""

    code: int = OK


@dataclass(frozen=True, slots=True)
class BroadcastRequest:
    """A message for everyone subscribed to a topic; the router passes it on in the same form."""

    caller: str = ""
    data: bytes = b""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class BroadcastReply:
    """0 or 400."""

    code: int = OK
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? A peer silent for about ten seconds is asked."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a :class:`Ping`."""


Packet = (
    Hello
    | RegisterRequest
    | RegisterReply
    | UnregisterRequest
    | UnregisterReply
    | CallRequest
    | CallReply
    | SubscribeRequest
    | SubscribeReply
    | UnsubscribeRequest
    | UnsubscribeReply
    | BroadcastRequest
    | BroadcastReply
    | Ping
    | Pong
)

PACKETS: Final[tuple[type[Packet], ...]] = get_args(Packet)
"""The messages in the order of their numbers in ``Packet``; the first has number 1."""
