"""Types of a TCP connection: states, settings, segments to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .receiver import ReceiveSettings
from .sender import SendSettings


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """How connections behave; seconds and bytes."""

    mss: int = 1346  # an MTU of 1400 that counts the Ethernet header
    send: SendSettings = field(default_factory=SendSettings)
    receive: ReceiveSettings = field(default_factory=ReceiveSettings)
    handshake: float = 10.0
    ack_delay: float = 0.005
    ack_every: int = 4  # full segments' worth of bulk for one acknowledgement
    last_reminder: float = 5.0  # after about that long an opened window is no longer told again
    time_wait: float = 1.0
    keepalive_idle: float = 60.0
    keepalive_interval: float = 10.0
    keepalive_probes: int = 4
    lonely: float = 120.0  # we said our last word, the peer says nothing more
    challenge_interval: float = 0.1  # between answers to segments that fit nowhere


class State(Enum):
    """Where a connection is."""

    WAITING = "waiting"  # passive: the SYN came, nobody has accepted yet
    SYN_SENT = "syn sent"
    SYN_RECEIVED = "syn received"
    OPEN = "open"
    TIME_WAIT = "time wait"
    CLOSED = "closed"


class Outgoing(NamedTuple):
    """A segment to send, ports aside."""

    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes = b""
    options: bytes = b""
