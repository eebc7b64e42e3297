"""The client's side of a websocket (RFC 6455) that carries a stream of bytes. No I/O.

yagna cuts a stream into frames as its packets came in, about 1.3 kB each; where they are cut means nothing. So the
reader takes a whole read of the socket apart in one go and never assembles a frame: a payload is handed on as it
comes in, however long the frame claims to be. ``benchmarks/tunnel.py`` has the numbers that made this one our own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_PAYLOAD = 64 * 1024 - 14
"""With the longest header a frame of 64 KiB, the most that yagna takes."""
LARGEST_ANSWER = 16 * 1024

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_FIN, _RESERVED, _OPCODE, _MASKED = 0x80, 0x70, 0x0F, 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_LARGEST_CONTROL = 125
_NORMAL_END, _NO_CODE = 1000, 1005


class WireError(Exception):
    """The far side broke the protocol, or refused; the text says how. ``status`` is an HTTP status or 0."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class Handshake:
    """The upgrade of one connection to ``uri`` (``ws://host:port/path``)."""

    def __init__(self, uri: str, bearer: str) -> None:
        parts = urlsplit(uri)
        if parts.scheme != "ws" or not parts.hostname:
            raise WireError(f"{uri!r} is not a ws:// address")
        self.host, self.port = parts.hostname, parts.port or 80
        key = base64.b64encode(secrets.token_bytes(16))
        self._accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's own choice
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        fields = {
            "Host": parts.netloc.rpartition("@")[2],
            "Authorization": f"Bearer {bearer}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key.decode(),
        }
        if any(ord(character) <= ord(" ") for character in path + bearer):
            raise WireError("an address or key with spaces or control characters")
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.request = f"GET {path or '/'} HTTP/1.1\r\n{head}\r\n".encode()
        self._buffer = b""

    def receive(self, data: bytes) -> bytes | None:
        """Take a part of the answer: ``None`` while it is not whole, else the bytes after it. Raises ``WireError``."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > LARGEST_ANSWER:
                raise WireError("an endless answer to the upgrade")
            return None
        status_line, *lines = head.split(b"\r\n")
        words = status_line.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():  # noqa: PLR2004
            raise WireError("an answer to the upgrade that is not HTTP")
        status = int(words[1][:3])
        if status != HTTPStatus.SWITCHING_PROTOCOLS:
            raise WireError(f"the upgrade was answered with HTTP {status}", status)
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if fields.get(b"sec-websocket-accept") != self._accept or b"sec-websocket-extensions" in fields:
            raise WireError("an upgrade that is not the one asked for")
        return rest


@dataclass
class Received:
    """What one read of the socket held."""

    payload: list[bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    closed: int | None = None
    """The code of a close frame (1005 without one)."""


class FrameReader:
    """Takes the server's frames apart. Holds at most one header and one control frame (135 bytes)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0  # bytes of a payload still to come
        self._open = False  # within a message of several frames

    def receive(self, data: bytes) -> Received:
        """Take what came in. Raises ``WireError`` at the first frame that breaks the protocol."""
        found = Received()
        if self._left >= len(data) and not self._buffer:  # the middle of a large frame
            found.payload.append(data)
            self._left -= len(data)
            return found
        data = self._buffer + data if self._buffer else data
        position, end = 0, len(data)
        if self._left:
            found.payload.append(data[: self._left])
            position, self._left = self._left, 0
        while found.closed is None and (head := _header(data, position, end)) is not None:
            first, header, length = head
            opcode = first & _OPCODE
            if opcode >= _CLOSE:
                if length > _LARGEST_CONTROL or not first & _FIN or first & _RESERVED:
                    raise WireError("a control frame that is too long or in parts")
                if end - position < header + length:
                    break
                position += header + length
                self._control(opcode, data[position - length : position], found)
                continue
            self._begin(first, opcode)
            position += header
            if length:
                found.payload.append(data[position : position + length])
            position += length
        if position > end:
            self._left, position = position - end, end
        self._buffer = data[position:] if found.closed is None else b""
        return found

    def _begin(self, first: int, opcode: int) -> None:
        if first & _RESERVED or opcode not in (_BINARY, _CONTINUATION) or self._open != (opcode == _CONTINUATION):
            raise WireError(f"a frame that is not binary data (0x{first:02x})")
        self._open = not first & _FIN

    def _control(self, opcode: int, body: bytes, found: Received) -> None:
        if opcode == _PING:
            found.pings.append(body)
        elif opcode == _CLOSE:
            found.closed = int.from_bytes(body[:2], "big") if len(body) > 1 else _NO_CODE
        elif opcode != _PONG:
            raise WireError(f"an unknown control frame (0x{opcode:x})")


def _header(data: bytes, position: int, end: int) -> tuple[int, int, int] | None:
    """The first byte, the length of the header and that of the payload; ``None`` while the header is not whole."""
    if end - position < 2:  # noqa: PLR2004 - the shortest header
        return None
    length = data[position + 1]
    if length < _LENGTH_16:
        return data[position], 2, length
    if length > _LENGTH_64:
        raise WireError("a masked frame from a server")
    header = 4 if length == _LENGTH_16 else 10
    if end - position < header:
        return None
    return data[position], header, int.from_bytes(data[position + 2 : position + header], "big")


def binary(data: bytes) -> Iterator[bytes]:
    """The frames for ``data``, none over 64 KiB: a header and a masked payload in turn."""
    for start in range(0, len(data), LARGEST_PAYLOAD):
        yield from _frame(_BINARY, data[start : start + LARGEST_PAYLOAD])


def pong(body: bytes = b"") -> bytes:
    """A pong, asked for or not: either tells yagna that we live."""
    return b"".join(_frame(_PONG, body))


def close() -> bytes:
    """The frame that ends a connection in good order."""
    return b"".join(_frame(_CLOSE, _NORMAL_END.to_bytes(2, "big")))


def _frame(opcode: int, body: bytes) -> tuple[bytes, bytes]:
    size = len(body)
    if size < _LENGTH_16:
        length = bytes((_MASKED | size,))
    elif size < 1 << 16:
        length = bytes((_MASKED | _LENGTH_16,)) + size.to_bytes(2, "big")
    else:
        length = bytes((_MASKED | _LENGTH_64,)) + size.to_bytes(8, "big")
    mask = secrets.token_bytes(4)
    # The fastest exclusive or that plain Python has: two long integers.
    pattern = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(body, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")
    return bytes((_FIN | opcode,)) + length + mask, masked
