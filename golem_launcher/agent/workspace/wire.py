"""What travels between the launcher and the workspace server: lists of entries, and frames of chunks.

A **list of entries** is a zlib stream of lines, each a JSON value:

    {"plan": "…", "base": "…" or null}                first; base names the plan that this one is the difference to
    ["d", path, mode, mtime_ns]                       a directory
    ["f", path, mode, mtime_ns, size, [id, …]]        a file, its chunks in order
    ["l", path, mode, mtime_ns, target]               a symbolic link
    ["-", path]                                       there no longer
    {"end": true, "entries": n, "bytes": n, "notes": [[kind, path], …], "environment": {…} or null, "state": "…"}

Paths are relative, with ``/``; ids are hex. A **frame** is a header (id, plain size, size here, kind) and a payload:

    PLAIN, ZLIB   the chunk's bytes, bare or compressed
    GONE          the chunk is not there any more (asked for too late; lost in the store that is put back)
    AGAIN         the same chunk as one earlier in this restore

The launcher imports this module, too, but reads what a provider sends with a parser of its own.
"""

from __future__ import annotations

import json
import struct
import time
import zlib
from typing import IO, TYPE_CHECKING, Any

from .chunker import ID_BYTES, MOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PORT_OFFSET = 3
"""Of the workspace server's port, from that of the Lab."""
PACKS = ".packs"
"""What the directory of whole files in transfer ends with."""
PLAIN, ZLIB, GONE, AGAIN = range(4)
LARGEST_CHUNK = 1024 * 1024
"""A chunk of ours is smaller; whoever reads takes up to this."""
FRAME = struct.Struct(f">{ID_BYTES}sIIB")
_SAMPLE = 4096
_WORTH = 0.9
_LEVEL = 1
_PIECE = 64 * 1024
_PIECE_SECONDS = 0.1
assert MOST <= LARGEST_CHUNK


class WireError(ValueError):
    """Bytes that nobody of ours would have sent."""


def frame(chunk: bytes, data: bytes) -> list[bytes]:
    """A chunk as it travels: compressed where a sample of it says that this is worth it."""
    kind, payload = PLAIN, data
    if len(data) > _SAMPLE:
        middle = len(data) // 2
        sample = data[middle : middle + _SAMPLE]
        promising = len(zlib.compress(sample, _LEVEL)) < len(sample) * _WORTH
    else:
        promising = True
    if promising:
        packed = zlib.compress(data, _LEVEL)
        if len(packed) < len(data):
            kind, payload = ZLIB, packed
    return [FRAME.pack(chunk, len(data), len(payload), kind), payload]


def bare(chunk: bytes, kind: int) -> bytes:
    """A frame without payload: ``GONE`` or ``AGAIN``."""
    return FRAME.pack(chunk, 0, 0, kind)


class Frames:
    """Takes a stream of frames apart. Holds at most one frame; raises ``WireError`` for anything odd."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
        """The frames that are whole by now: id, kind, and the chunk's plain bytes."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= FRAME.size:
                chunk, plain, packed, kind = _head(self._buffer, at)
                end = at + FRAME.size + packed
                if end > len(self._buffer):
                    break
                payload = bytes(memoryview(self._buffer)[at + FRAME.size : end])
                at = end
                yield chunk, kind, inflate(payload, plain) if kind == ZLIB else payload
        finally:
            del self._buffer[:at]

    def end(self) -> None:
        """No more bytes come. Raises ``WireError`` inside a frame."""
        if self._buffer:
            raise WireError("the stream ended inside a frame")


def frames_in(file: IO[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
    """The frames of a file, as :class:`Frames` gives them."""
    while head := file.read(FRAME.size):
        if len(head) < FRAME.size:
            raise WireError("the file ended inside a frame")
        chunk, plain, packed, kind = _head(head, 0)
        payload = file.read(packed)
        if len(payload) < packed:
            raise WireError("the file ended inside a frame")
        yield chunk, kind, inflate(payload, plain) if kind == ZLIB else payload


def _head(data: bytes | bytearray, at: int) -> tuple[bytes, int, int, int]:
    chunk, plain, packed, kind = FRAME.unpack_from(data, at)
    if kind > AGAIN or plain > LARGEST_CHUNK or packed > plain or (kind == PLAIN and packed != plain):
        raise WireError("a malformed frame")
    if kind in (GONE, AGAIN) and plain:
        raise WireError("a frame that should have no content")
    return chunk, plain, packed, kind


def inflate(data: bytes, size: int) -> bytes:
    """The ``size`` bytes that were compressed, never more. Raises ``WireError`` when they are not that."""
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data, size + 1)
    except zlib.error:
        raise WireError("damaged data") from None
    if len(plain) != size or not inflater.eof or inflater.unused_data:
        raise WireError("data of another size than announced")
    return plain


def pack_lines(values: Iterable[Any]) -> Iterator[bytes]:
    """Values as compressed lines, in pieces, a few times a second: who reads them need not wait for the end."""
    deflater = zlib.compressobj(_LEVEL)
    lines: list[str] = []
    length, due = 0, time.monotonic() + _PIECE_SECONDS
    for value in values:
        lines.append(json.dumps(value, separators=(",", ":")))
        length += len(lines[-1])
        if length > _PIECE or time.monotonic() > due:
            yield deflater.compress(("\n".join(lines) + "\n").encode()) + deflater.flush(zlib.Z_SYNC_FLUSH)
            lines, length, due = [], 0, time.monotonic() + _PIECE_SECONDS
    yield deflater.compress(("\n".join(lines) + "\n").encode() if lines else b"") + deflater.flush()


class Lines:
    """Takes compressed lines apart. Raises ``WireError`` for damage, or more than ``most`` bytes of them."""

    def __init__(self, most: int, longest: int = 64 * 1024 * 1024) -> None:
        self._inflater = zlib.decompressobj()
        self._rest = bytearray()
        self._left = most
        self._longest = longest

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are whole by now."""
        while data:
            if self._inflater.eof:
                raise WireError("something follows the end")
            try:
                plain = self._inflater.decompress(data, _PIECE)
            except zlib.error:
                raise WireError("damaged data") from None
            data = self._inflater.unconsumed_tail or self._inflater.unused_data
            self._left -= len(plain)
            if self._left < 0:
                raise WireError("a list that is too long")
            *lines, rest = plain.split(b"\n")
            for line in lines:
                yield _value(bytes(self._rest) + line)
                self._rest.clear()
            self._rest += rest
            if len(self._rest) > self._longest:
                raise WireError("a line that is too long")

    def end(self) -> None:
        """No more bytes come. Raises ``WireError`` inside a line."""
        if self._rest or not self._inflater.eof:
            raise WireError("the list ended too early")


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("a line that is no JSON") from None
