"""FlexBuffers, the bus's encoding of calls, with limits on what a peer can make us allocate.

The ``flatbuffers`` package writes them. Its reader trusts its input: it follows offsets in circles, so that a few
bytes grow without end. Hence a reader of our own, which checks every offset and counts what it builds.
(Source: https://flatbuffers.dev/internals/#flexbuffers)
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

from flatbuffers import flexbuffers

from golem_launcher.errors import BusProtocolError

LARGEST_PLAIN: Final = 32 * 1024 * 1024
"""Bytes that a compressed payload may have when unpacked."""
_DEEPEST: Final = 64
_MOST_VALUES: Final = 250_000
_MOST_BYTES: Final = 2 * LARGEST_PLAIN  # of texts and blobs together: several offsets may share one
_USUAL_KEY: Final = 64  # bytes of a key, mostly

_UNSIGNED: Final = {width: struct.Struct("<" + code) for width, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))}
_SIGNED: Final = {width: struct.Struct("<" + code) for width, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))}
_FLOAT: Final = {width: struct.Struct("<" + code) for width, code in ((2, "e"), (4, "f"), (8, "d"))}

_Type = flexbuffers.Type
_SCALARS: Final = {int(_Type.INT): _SIGNED, int(_Type.UINT): _UNSIGNED, int(_Type.FLOAT): _FLOAT}
_INDIRECT: Final = {
    int(_Type.INDIRECT_INT): _SIGNED,
    int(_Type.INDIRECT_UINT): _UNSIGNED,
    int(_Type.INDIRECT_FLOAT): _FLOAT,
}
_NULL, _BOOL, _KEY = int(_Type.NULL), int(_Type.BOOL), int(_Type.KEY)
_STRING, _BLOB, _MAP, _VECTOR = int(_Type.STRING), int(_Type.BLOB), int(_Type.MAP), int(_Type.VECTOR)
_TYPED: Final = {
    **{int(_Type.VECTOR_INT) + offset: int(_Type.INT) + offset for offset in range(5)},
    int(_Type.VECTOR_BOOL): _BOOL,
}
_FIXED: Final = {
    int(_Type.VECTOR_INT2) + 3 * more + offset: (int(_Type.INT) + offset, 2 + more)
    for more in range(3)
    for offset in range(3)
}


class _Builder(flexbuffers.Builder):  # type: ignore[misc]  # it carries no types
    """The package's writer, but for three faults: floats beyond single precision, copies of all behind a key, views."""

    def Add(self, value: Any) -> None:  # noqa: N802 - theirs
        super().Add(bytes(value) if isinstance(value, memoryview) else value)

    def Float(self, value: float, byte_width: int = 8) -> None:  # noqa: N802 - theirs
        super().Float(value, byte_width)

    def _ReadKey(self, offset: int) -> bytes:  # noqa: N802 - theirs
        return bytes(self._buf[offset : self._buf.find(0, offset)])


def dumps(value: Any) -> bytes:
    """Encode ``None``, bools, numbers, texts, bytes and views of them, lists, tuples and dicts (keys: texts)."""
    builder = _Builder()
    builder.Add(value)
    return bytes(builder.Finish())


def loads(data: bytes | memoryview) -> Any:
    """Decode a payload, zlib-compressed or plain; :class:`BusProtocolError` for anything malformed or too big.

    Blobs are views of it, so that the bytes of files are not copied here.
    """
    if data[:1] == b"\x78":  # how zlib starts; a plain payload may start so too
        plain = _unpacked(data)
        if plain is not None:
            data = plain
    return _Reader(memoryview(data)).root()


def _unpacked(data: bytes | memoryview) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, LARGEST_PLAIN)
    except zlib.error:
        return None
    if unpacker.eof:
        return plain
    if unpacker.unconsumed_tail:
        raise BusProtocolError(f"A message on the bus unpacks to more than {LARGEST_PLAIN} bytes.")
    return None


class _Reader:
    """One decoding: positions are absolute, and everything built is counted."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._values = 0
        self._bytes = 0

    def root(self) -> Any:
        size = len(self._data)
        if size < 3:  # noqa: PLR2004 - the root, its type, its width
            raise BusProtocolError("A message on the bus is too short to hold a value.")
        width, packed = self._data[-1], self._data[-2]
        if width not in _UNSIGNED or width + 2 > size:
            raise BusProtocolError("A message on the bus has no valid root.")
        return self._value(size - 2 - width, width, packed >> 2, 1 << (packed & 3), 0)

    def _value(  # noqa: PLR0911 - one return for each kind of value
        self, position: int, width: int, kind: int, child: int, depth: int
    ) -> Any:
        """The value in the slot of ``width`` bytes at ``position``; ``child`` is the width behind its offset."""
        self._count(1)
        if kind == _NULL:
            return None
        if kind == _BOOL:
            return bool(self._number(_UNSIGNED, position, width))
        if kind in _SCALARS:
            return self._number(_SCALARS[kind], position, width)
        if depth > _DEEPEST:
            raise BusProtocolError(f"A message on the bus is nested more than {_DEEPEST} deep.")
        target = self._target(position, width)
        if kind in _INDIRECT:
            return self._number(_INDIRECT[kind], target, child)
        if kind == _KEY:
            return self._key(target)
        if kind == _STRING:
            return self._text(target, self._length(target, child))
        if kind == _BLOB:
            return self._slice(target, self._length(target, child))
        if kind == _MAP:
            return self._map(target, child, depth)
        return self._list(target, child, kind, depth)

    def _map(self, target: int, width: int, depth: int) -> dict[str, Any]:
        length = self._length(target, width)
        self._count(length)
        keys = self._target(target - 3 * width, width)
        key_width = self._number(_UNSIGNED, target - 2 * width, width)
        if key_width not in _UNSIGNED or self._length(keys, key_width) != length:
            raise BusProtocolError("A message on the bus has a map whose keys do not fit.")
        names = [self._key(self._target(keys + index * key_width, key_width)) for index in range(length)]
        return dict(zip(names, self._untyped(target, width, length, depth), strict=True))

    def _list(self, target: int, width: int, kind: int, depth: int) -> list[Any]:
        if kind == _VECTOR:
            return self._untyped(target, width, self._length(target, width), depth)
        if kind in _TYPED:
            element, length = _TYPED[kind], self._length(target, width)
        elif kind in _FIXED:
            element, length = _FIXED[kind]
        else:
            raise BusProtocolError(f"A message on the bus has a value of unknown type {kind}.")
        self._check(target, length * width)
        return [self._value(target + index * width, width, element, 1, depth + 1) for index in range(length)]

    def _untyped(self, target: int, width: int, length: int, depth: int) -> list[Any]:
        types = target + length * width
        self._check(target, length * (width + 1))
        packed = self._data[types : types + length]
        return [
            self._value(target + index * width, width, kind >> 2, 1 << (kind & 3), depth + 1)
            for index, kind in enumerate(packed)
        ]

    def _length(self, target: int, width: int) -> int:
        return int(self._number(_UNSIGNED, target - width, width))

    def _target(self, position: int, width: int) -> int:
        return position - int(self._number(_UNSIGNED, position, width))

    def _number(self, formats: dict[int, struct.Struct], position: int, width: int) -> Any:
        layout = formats.get(width)
        if layout is None or position < 0 or position + width > len(self._data):
            raise BusProtocolError("A message on the bus points outside of itself.")
        return layout.unpack_from(self._data, position)[0]

    def _check(self, position: int, size: int) -> None:
        if position < 0 or position + size > len(self._data):
            raise BusProtocolError("A message on the bus points outside of itself.")

    def _slice(self, position: int, size: int) -> memoryview:
        self._check(position, size)
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            raise BusProtocolError("A message on the bus repeats itself to an unreasonable size.")
        return self._data[position : position + size]

    def _key(self, position: int) -> str:
        most, size = _USUAL_KEY, -1
        while size < 0:
            part = bytes(self._data[position : position + most]) if position >= 0 else b""
            size = part.find(b"\0")
            if size < 0 and len(part) < most:
                raise BusProtocolError("A message on the bus points outside of itself.")
            most *= 2
        return self._text(position, size)

    def _text(self, position: int, size: int) -> str:
        try:
            return str(self._slice(position, size), "utf-8")
        except UnicodeDecodeError:
            raise BusProtocolError("A message on the bus has a text that is not UTF-8.") from None

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            raise BusProtocolError(f"A message on the bus holds more than {_MOST_VALUES} values.")
