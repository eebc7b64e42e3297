"""The wire format between launcher and workspace server: lists of entries, and frames of chunks.

A **list of entries** is a zlib stream of lines, each a JSON value:

    {"list": "…", "base": "…" or null}                first; base names the list that this one is the difference to
    ["d", path, mode, mtime_ns]                       a directory
    ["f", path, mode, mtime_ns, size, [id, …]]        a file, its chunks in order, the ids of several together where
                                                      they are very many; a last list has its holes where it has
                                                      some: [[offset, length], …], the chunks lie between them
    ["l", path, mode, mtime_ns, target]               a symbolic link
    ["-", path]                                       there no longer
    {"end": true, "entries": n, "bytes": n, "notes": [[kind, path], …], "environment": {…} or null, "state": "…"}

A value of more than 64 KiB comes in parts, because whoever parses one stops for as long: ``["<", value]`` without its
long lists, ``["+", [key, …], [item, …]]`` for what they have, ``[">"]``.

Paths are relative, with ``/``, and like targets escaped (name_escaping.py); ids are hex. A **frame** is a header (id,
plain size, size here, kind) and a payload:

    PLAIN, ZLIB   the chunk's bytes, bare or compressed
    GONE          the chunk is not there any more (asked for too late; lost in the store that is put back)
    AGAIN         the same chunk as one earlier in this restore

The launcher imports this module, too, but reads what a provider sends with a parser of its own.
"""

from __future__ import annotations

import json
import struct
import sys
import time
import zlib
from typing import IO, TYPE_CHECKING, Any

from .chunker import ID_BYTES, MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PACKS = ".packs"
"""What the directory of whole files in transfer ends with."""
MADE, SENT = "out-", "in-"
"""What the names of files of chunks in it begin with: those that are made here, and those that were sent here."""
PLAIN, ZLIB, GONE, AGAIN = range(4)
LARGEST_CHUNK = 1024 * 1024
"""A chunk of ours is smaller; whoever reads takes up to this."""
FRAME = struct.Struct(f">{ID_BYTES}sIIB")
_SAMPLE = 4096
_WORTH = 0.9
_MOST_UNTRIED = 8
_LEVEL = 1
_PIECE = 64 * 1024
_PIECE_SECONDS = 0.1
LONGEST_LINE = 128 * 1024
"""The longest line that the reader accepts; ours are shorter."""
_LONGEST_VALUE = 64 * 1024
_LARGEST_VALUE = 128 * 1024 * 1024
"""Of memory that a value takes which comes in parts: the chunks of a file, what could not be read."""
assert MOST <= LARGEST_CHUNK


class WireError(ValueError):
    """Bytes that nobody of ours would have sent."""


class Framing:
    """Makes frames of chunks that follow each other, each compressed where a sample says that this is worth it.

    Behind chunks that were not worth it not each one is tried: of data like theirs a sample takes longer than all else.
    """

    def __init__(self) -> None:
        self._poor = 0
        """Samples in a row that were not worth it, up to a number."""
        self._untried = 0
        """So many of the next chunks go as they are."""

    def frame(self, chunk: bytes, data: bytes) -> list[bytes]:
        """A chunk as it travels."""
        kind, payload = PLAIN, data
        if self._is_promising(data):
            packed = zlib.compress(data, _LEVEL)
            if len(packed) < len(data):
                kind, payload = ZLIB, packed
        return [FRAME.pack(chunk, len(data), len(payload), kind), payload]

    def _is_promising(self, data: bytes) -> bool:
        if len(data) <= _SAMPLE:
            return True
        if self._untried:
            self._untried -= 1
            return False
        middle = len(data) // 2
        sample = data[middle : middle + _SAMPLE]
        promising = len(zlib.compress(sample, _LEVEL)) < len(sample) * _WORTH
        self._poor = 0 if promising else min(self._poor + 1, _MOST_UNTRIED)
        self._untried = self._poor
        return promising


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
        parts = _parts(value)
        lines += parts
        length += sum(map(len, parts))
        if length > _PIECE or time.monotonic() > due:
            yield deflater.compress(("\n".join(lines) + "\n").encode()) + deflater.flush(zlib.Z_SYNC_FLUSH)
            lines, length, due = [], 0, time.monotonic() + _PIECE_SECONDS
    yield deflater.compress(("\n".join(lines) + "\n").encode() if lines else b"") + deflater.flush()


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _parts(value: Any) -> list[str]:
    """The lines of a value."""
    whole = _dumped(value)
    if len(whole) <= _LONGEST_VALUE:
        return [whole]
    cut: list[tuple[list[Any], list[Any]]] = []
    parts = [_dumped(["<", _without_lists(value, [], cut)])]
    for path, items in cut:
        some: list[str] = []
        length = 0
        for item in map(_dumped, items):
            if some and length + len(item) > _LONGEST_VALUE:
                parts.append('["+",%s,[%s]]' % (_dumped(path), ",".join(some)))  # noqa: UP031 - braces mean more here
                some, length = [], 0
            some.append(item)
            length += len(item) + 1
        if some:
            parts.append('["+",%s,[%s]]' % (_dumped(path), ",".join(some)))  # noqa: UP031
    return [*parts, _dumped([">"])]


def _without_lists(value: Any, path: list[Any], cut: list[tuple[list[Any], list[Any]]]) -> Any:
    """``value`` with empty lists in the place of those in it; ``cut`` gets where they are, and what they have."""
    if isinstance(value, dict):
        return {key: _without_lists(each, [*path, key], cut) for key, each in value.items()}
    if isinstance(value, list):
        if path:
            cut.append((path, value))
            return []
        return [_without_lists(each, [index], cut) for index, each in enumerate(value)]
    return value


class Lines:
    """Takes compressed lines apart. Raises ``WireError`` for damage, or more than ``most`` bytes of them.

    A value that comes in parts takes ``largest`` bytes of memory at most; a text of them is what ``text`` makes of it.
    """

    def __init__(self, most: int, largest: int = _LARGEST_VALUE, text: Callable[[str], Any] = str) -> None:
        self._inflater = zlib.decompressobj()
        self._rest = bytearray()
        self._left = most
        self._longest = LONGEST_LINE
        self._open: list[Any] = []
        """A value that comes in parts, as the only item."""
        self._text = text
        self._largest = largest
        self._held = 0
        """Bytes that its parts take."""

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
                yield from self._whole(_value(bytes(self._rest) + line))
                self._rest.clear()
            self._rest += rest
            if len(self._rest) > self._longest:
                raise WireError("a line that is too long")

    def end(self) -> None:
        """No more bytes come. Raises ``WireError`` inside a line."""
        if self._rest or self._open or not self._inflater.eof:
            raise WireError("the list ended too early")

    def _whole(self, value: Any) -> Iterator[Any]:
        """``value``, when it is one; the one whose last part it is."""
        part = value if isinstance(value, list) else []
        if not self._open and part[:1] == ["<"] and len(part) == 2:  # noqa: PLR2004
            self._open = part[1:]
            self._held = 0
        elif self._open and part == [">"]:
            yield self._open.pop()
        elif self._open:
            self._extend(part)
        else:
            yield value

    def _extend(self, part: list[Any]) -> None:
        """Add what a part has to the list of the open value that it names."""
        target = self._open[0]
        try:
            sign, path, items = part
            for key in path:
                target = target[key]
            if sign != "+" or not isinstance(target, list) or not isinstance(items, list):
                raise TypeError  # noqa: TRY301
        except (ValueError, TypeError, KeyError, IndexError):
            raise WireError("a part of nothing") from None
        for item in items:
            if not _is_flat(item):
                raise WireError("a value that is too large")
            kept = self._text(item) if isinstance(item, str) else item
            self._held += _size(kept)
            if self._held > self._largest:
                raise WireError("a value that is too large")
            target.append(kept)


def _size(item: Any) -> int:
    """Bytes of memory of a text, or a pair, and of its place in a list."""
    whole = sys.getsizeof(item) + 8
    return whole + sum(map(sys.getsizeof, item)) if isinstance(item, list) else whole


def _is_flat(item: Any) -> bool:
    """A text, or a pair of texts or numbers."""
    return isinstance(item, str) or (
        isinstance(item, list) and len(item) == 2 and all(isinstance(each, (str, int)) for each in item)  # noqa: PLR2004
    )


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("a line that is no JSON") from None
