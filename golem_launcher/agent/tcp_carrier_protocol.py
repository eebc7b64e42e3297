"""The record format of TCP connections carried through Golem's VPN.

The bare way would be a websocket of yagna's that is a TCP connection in the provider. Measured on yagna 0.17.6, it

* mixes up what goes to the provider: each message of the websocket is handed to the network stack in a task of its
  own, and several at a time get there in any order (two of three uploads of 2 MiB arrived with their parts exchanged);
* takes without limit, so that a large upload lies in the daemon's memory;
* never passes on the end of a stream, in either direction, only a reset.

So each message is one record, which stays whole: its number puts it in its place, a window bounds what is under way,
and both ends of the stream are said in words. A record is a header (number, length, kind) and a payload:

    OPEN    the first of all, from the user's side: the port over there that the connection is for, as two bytes, and
            the machine's key, because whoever is in the same private network can knock as well
    DATA    bytes of the stream
    END     no more bytes from here; the other direction stays
    TAKEN   how much of the window was taken so far, as eight bytes; also sent now and then as a sign of life
    RESET   it went wrong here
    PACKED  DATA, deflated

The provider's side answers OPEN with TAKEN once it is connected, or with RESET; before that nothing else is sent. So a
connection that yagna drops while it is made, which happens, can be made again without doing anything twice.

DATA and END use the length of their payload from the window, ``_LEAST_COST`` at least. What is PACKED comes out of the
decoder as DATA, and costs as much. Notebooks, their outputs and what kernels print take a fraction of their bytes then,
on a way that carries few: yagna's VPN 3.3 MiB/s at best.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import NamedTuple

LARGEST = 64 * 1024 - 8
"""With its header a message of 64 KiB at most: yagna takes no larger ones."""
WINDOW = 1024 * 1024
DATA, END, TAKEN, RESET, OPEN, PACKED = range(6)

COUNT = struct.Struct(">Q")
"""The payload of TAKEN."""
OPENING = struct.Struct(">H16s")
"""The payload of OPEN: a port, and the key of the machine that is meant."""
NO_KEY = bytes(16)
"""Where whoever comes was asked before."""
BACKLOG = 512
"""So many carriers may come to an agent before it takes the first of them."""
STATUS_PORT = 0
"""A connection to this port is answered by the agent itself: a JSON object that tells what ways there are."""
_HEADER = struct.Struct(">IHB")
_LENGTHS = {TAKEN: COUNT.size, OPEN: OPENING.size}
_NUMBERS = 1 << 32
_LEAST_COST = 512
_MOST_AT_ONCE = 2 * WINDOW
_MOST_EARLY = 4 * WINDOW // _LEAST_COST
_SAMPLE = 2048
"""Bytes by which it is judged whether more of them are worth packing: what is packed already, or encrypted, is not."""
_LEAST_GAIN = 0.9
_LEVEL = 1
"""Of zlib's the fastest: 64 KiB of text take a millisecond."""


class CarrierError(Exception):
    """The connection did not end well; the text says why."""


class Record(NamedTuple):
    """One record, its number aside."""

    kind: int
    payload: bytes

    @property
    def cost(self) -> int:
        """What it uses from the window."""
        return max(len(self.payload), _LEAST_COST) if self.kind in (DATA, END) else 0


def key(token: str) -> bytes:
    """The key that carriers to a machine show, by its token: other machines of its network know it not."""
    return hashlib.sha256(b"carrier " + token.encode()).digest()[: len(NO_KEY)]


def encode(number: int, record: Record) -> bytes:
    """A record as it travels."""
    kind, payload = record
    if kind == DATA and _is_worth_packing(payload):
        packed = zlib.compress(payload, _LEVEL)
        if len(packed) < len(payload):  # a head that can be packed says nothing for sure of the rest
            kind, payload = PACKED, packed
    return _HEADER.pack(number % _NUMBERS, len(payload), kind) + payload


def _is_worth_packing(payload: bytes) -> bool:
    sample = payload[:_SAMPLE]
    return len(sample) >= _LEAST_COST and len(zlib.compress(sample, _LEVEL)) < _LEAST_GAIN * len(sample)


def _unpacked(payload: bytes) -> bytes:
    """As much as a record holds, and no more: a few bytes can say a million. Raises ``CarrierError``."""
    inflating = zlib.decompressobj()
    try:
        data = inflating.decompress(payload, LARGEST + 1)
    except zlib.error as error:
        raise CarrierError("a malformed record") from error
    if len(data) > LARGEST or not inflating.eof or inflating.unused_data:
        raise CarrierError("a malformed record")
    return data


class Decoder:
    """Takes what arrives apart and puts it in order. Holds at most a window's worth, and one record."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._next = 0
        self._early: dict[int, Record] = {}
        self._held = 0

    def receive(self, data: bytes) -> list[Record]:
        """The records whose turn has come. Raises ``CarrierError`` for anything that we would not have sent."""
        held = self._buffer
        held += data  # a record comes in fifty pieces, as the packets in the VPN are small
        position = cost = 0
        found = []
        while len(held) - position >= _HEADER.size:
            number, length, kind = _HEADER.unpack_from(held, position)
            if kind > PACKED or length > LARGEST or length != _LENGTHS.get(kind, length):
                raise CarrierError("a malformed record")
            end = position + _HEADER.size + length
            if end > len(held):
                break
            payload = bytes(memoryview(held)[end - length : end])
            self._place(number, Record(DATA, _unpacked(payload)) if kind == PACKED else Record(kind, payload))
            while (record := self._early.pop(self._next, None)) is not None:
                self._held -= record.cost
                cost += record.cost
                if cost > _MOST_AT_ONCE:
                    raise CarrierError("more than was asked for")
                self._next = (self._next + 1) % _NUMBERS
                found.append(record)
            position = end
        del held[:position]
        return found

    def _place(self, number: int, record: Record) -> None:
        self._held += record.cost
        if (number - self._next) % _NUMBERS >= _MOST_EARLY or number in self._early or self._held > _MOST_AT_ONCE:
            raise CarrierError("a record that is far out of order")
        self._early[number] = record
