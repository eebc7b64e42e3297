"""The framing of the service bus's packets.

A frame is a big-endian u32 length and one protobuf ``Packet``, which holds exactly one of the fifteen messages of
:mod:`golem_launcher.node.gsb.packets`. (Source: ``gsb_api.proto`` and ``codec.rs`` of golemfactory/ya-service-bus.)

A router needs only the address or request id of a frame to pass it on as it came: :func:`peek_call` and
:func:`peek_reply` find them without building a packet. Whatever a peer sends, these functions raise nothing but
:class:`~golem_launcher.errors.BusProtocolError`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from golem_launcher.errors import BusProtocolError
from golem_launcher.node.gsb.packets import PACKETS, CallReply, CallRequest

if TYPE_CHECKING:
    from golem_launcher.node.gsb.packets import Packet

LARGEST_FRAME: Final = 16 * 1024 * 1024
"""Bytes of the largest packet that is accepted or sent. The bus's own code sets no limit; nothing on it is bigger."""

LENGTH_BYTES: Final = 4

_NUMBERS: Final = {kind: number for number, kind in enumerate(PACKETS, 1)}
_FIELDS: Final = {kind: tuple((field.name, str(field.type)) for field in fields(kind)) for kind in PACKETS}
CALL_REQUEST: Final = _NUMBERS[CallRequest]
CALL_REPLY: Final = _NUMBERS[CallReply]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types; the two others are not in use
_MORE: Final = 0x80
_LONGEST_VARINT: Final = 10


def encode(packet: Packet) -> bytes:
    """The frame of a packet, length prefix included. Fields at their default are left out, as protobuf does."""
    parts = []
    for number, (name, kind) in enumerate(_FIELDS[type(packet)], 1):
        value = getattr(packet, name)
        if not value:
            continue
        if kind in {"int", "bool"}:
            parts.append(_varint(number << 3 | _VARINT) + _varint(int(value)))
        else:
            raw = value.encode() if kind == "str" else value
            parts += (_varint(number << 3 | _BYTES) + _varint(len(raw)), raw)
    length = sum(map(len, parts))
    head = _varint(_NUMBERS[type(packet)] << 3 | _BYTES) + _varint(length)
    if len(head) + length > LARGEST_FRAME:
        raise BusProtocolError(f"A message of {length} bytes is too big for the bus (at most {LARGEST_FRAME}).")
    return b"".join(((len(head) + length).to_bytes(LENGTH_BYTES, "big"), head, *parts))


def decode(frame: bytes | memoryview) -> Packet:
    """The packet of a whole frame (length prefix included). Its bytes are a view where ``frame`` is one."""
    number, position, end = envelope(frame)
    kind = PACKETS[number - 1]
    layout = _FIELDS[kind]
    values: dict[str, Any] = {}
    while position < end:
        field, wire, start, position = _field(frame, position, end)
        if 0 < field <= len(layout):
            name, expected = layout[field - 1]
            values[name] = _value(frame, expected, wire, start, position)
    return kind(**values)


def envelope(frame: bytes | memoryview) -> tuple[int, int, int]:
    """The number of the message in a frame, and where its bytes start and end."""
    position, end = LENGTH_BYTES, len(frame)
    found = None
    while position < end:
        field, wire, start, position = _field(frame, position, end)
        if 0 < field <= len(PACKETS):
            if wire != _BYTES:
                raise BusProtocolError("A packet of the bus holds a number where a message belongs.")
            if found is not None:  # readers differ in what they make of that: nobody can route it safely
                raise BusProtocolError("A packet of the bus holds more than one message.")
            found = field, start, position
    if found is None:
        raise BusProtocolError("A packet of the bus holds no known message.")
    return found


def peek_call(frame: bytes, start: int, end: int) -> tuple[str, str, bool]:
    """``address``, ``request_id`` and ``no_reply`` of the :class:`CallRequest` between ``start`` and ``end``."""
    address = request_id = b""
    no_reply = False
    position = start
    while position < end:
        field, wire, value, position = _field(frame, position, end)
        if field == 2 and wire == _BYTES:  # noqa: PLR2004 - a field's number
            address = frame[value:position]
        elif field == 3 and wire == _BYTES:  # noqa: PLR2004
            request_id = frame[value:position]
        elif field == 5 and wire == _VARINT:  # noqa: PLR2004
            no_reply = value > 0
    return _text(address), _text(request_id), no_reply


def peek_reply(frame: bytes, start: int, end: int) -> tuple[str, bool]:
    """``request_id`` of the :class:`CallReply` between ``start`` and ``end``, and whether it is the last one."""
    request_id = b""
    last = True
    position = start
    while position < end:
        field, wire, value, position = _field(frame, position, end)
        if field == 1 and wire == _BYTES:
            request_id = frame[value:position]
        elif field == 3 and wire == _VARINT:  # noqa: PLR2004
            last = value != 1
    return _text(request_id), last


def frame_length(buffer: bytes | bytearray, position: int) -> int:
    """The length that the prefix at ``position`` announces; refused when it is over :data:`LARGEST_FRAME`."""
    length = int.from_bytes(buffer[position : position + LENGTH_BYTES], "big")
    if length > LARGEST_FRAME:
        raise BusProtocolError(f"A peer on the bus announced a frame of {length} bytes (at most {LARGEST_FRAME}).")
    return length


def _field(frame: bytes | memoryview, position: int, end: int) -> tuple[int, int, int, int]:
    """Field number, wire type, start of its bytes (of a varint: its value), and where the next field starts."""
    tag = frame[position]
    position += 1
    if tag & _MORE:
        tag, position = _read_varint(frame, position - 1, end)
    wire = tag & 7
    if wire == _BYTES:
        if position >= end:
            raise BusProtocolError("A packet of the bus is cut short.")
        length = frame[position]
        position += 1
        if length & _MORE:
            length, position = _read_varint(frame, position - 1, end)
        start, position = position, position + length
    elif wire == _VARINT:
        start, position = _read_varint(frame, position, end)
    elif wire in {_FIXED64, _FIXED32}:
        start, position = position, position + (8 if wire == _FIXED64 else 4)
    else:
        raise BusProtocolError(f"A packet of the bus has a field of unknown type {wire}.")
    if position > end:
        raise BusProtocolError("A packet of the bus is cut short.")
    return tag >> 3, wire, start, position


def _read_varint(frame: bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if position >= end:
            raise BusProtocolError("A packet of the bus is cut short.")
        byte = frame[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & _MORE:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise BusProtocolError("A packet of the bus has a number that is too long.")


def _varint(value: int) -> bytes:
    if 0 <= value < _MORE:
        return bytes((value,))
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def _value(frame: bytes | memoryview, expected: str, wire: int, start: int, end: int) -> Any:
    if wire != (_VARINT if expected in {"int", "bool"} else _BYTES):
        raise BusProtocolError("A packet of the bus has a field of the wrong type.")
    if expected == "str":
        return _text(frame[start:end])
    if expected == "bytes":
        return bytes(frame[start:end])
    if expected == "Data":
        return frame[start:end]
    return bool(start) if expected == "bool" else start


def _text(raw: bytes | memoryview) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise BusProtocolError("A packet of the bus has a text that is not UTF-8.") from None
