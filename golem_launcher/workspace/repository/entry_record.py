"""An entry as few bytes: what is held of the 200,000 files that a workspace may have.

A record is the entry's path, its parts divided by a NUL, which sorts what lies in a directory right after it; two NULs,
which no path has; and what it is. So records are sorted, found and compared without being taken apart.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.chunk_ids import ID_BYTES
from golem_launcher.workspace.repository.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.workspace.repository.entry import Kind

_END = b"\0\0"
_HEAD = struct.Struct("<BQHq")
"""Kind, size, mode, time of change; then the ids of chunks, or where a link leads."""
_DATED = slice(9, _HEAD.size)
"""Mode and time in it."""
_HOLE = struct.Struct("<QQ")
_COUNT = struct.Struct("<I")
_FILE, _WITH_HOLES, _DIRECTORY, _LINK, _GONE = b"fhdl-"
_KINDS: dict[int, Kind] = {_FILE: "file", _WITH_HOLES: "file", _DIRECTORY: "directory", _LINK: "link"}
_LETTERS = {"file": _FILE, "directory": _DIRECTORY, "link": _LINK}


def pack(entry: Entry, ids: bytes | bytearray | None = None) -> bytes:
    """The record of an entry that has no fault; ``ids``: those of its chunks, one behind the other, if not its own."""
    kind = _WITH_HOLES if entry.holes else _LETTERS[entry.kind]
    parts: list[bytes | bytearray] = [key_of(entry.path), _HEAD.pack(kind, entry.size, entry.mode, entry.mtime_ns)]
    own = b"".join(map(bytes.fromhex, entry.chunks)) if ids is None else ids
    if entry.holes:
        parts.append(_COUNT.pack(len(own) // ID_BYTES))
    parts.append(own)
    parts += [_HOLE.pack(at, length) for at, length in entry.holes]
    return b"".join([*parts, entry.target.encode()])


def unpack(record: bytes) -> Entry:
    """The entry that a record holds, with its chunks; the opposite of :func:`pack`."""
    return replace(without_chunks(record), chunks=tuple(chunk.hex() for chunk in chunk_ids(record)))


def without_chunks(record: bytes) -> Entry:
    """The entry of a record, but for its chunks: of a file of 37 GiB they are 400,000."""
    at = record.index(_END) + len(_END)
    kind, size, mode, mtime = _HEAD.unpack_from(record, at)
    return Entry(
        path=path(record),
        kind=_KINDS[kind],
        mode=mode,
        mtime_ns=mtime,
        size=size,
        target=record[at + _HEAD.size :].decode() if kind == _LINK else "",
        holes=tuple(_holes(record)),
    )


def gone(path: str) -> bytes:
    """The record that says of a path that nothing is there any more."""
    return key_of(path) + bytes([_GONE])


def key_of(path: str) -> bytes:
    """The first bytes of a path's record; no other path's record begins with them."""
    return path.replace("/", "\0").encode() + _END


def key(record: bytes) -> bytes:
    """The first bytes of a record, as :func:`key_of` makes them."""
    return record[: record.index(_END) + len(_END)]


def below(record: bytes) -> bytes:
    """The first bytes of the records of all that lies below this one's path."""
    return record[: record.index(_END) + 1]


def path(record: bytes) -> str:
    """The path in a record, with slashes."""
    return record[: record.index(_END)].decode().replace("\0", "/")


def is_gone(record: bytes) -> bool:
    """Whether it says that nothing is there."""
    return _kind(record) == _GONE


def is_file(record: bytes) -> bool:
    """Whether the record is of a regular file."""
    return _kind(record) in {_FILE, _WITH_HOLES}


def is_directory(record: bytes) -> bool:
    """Whether the record is of a directory."""
    return _kind(record) == _DIRECTORY


def link_target(record: bytes) -> str:
    """Where a link leads; empty for all else."""
    at = record.index(_END) + len(_END)
    return record[at + _HEAD.size :].decode() if record[at] == _LINK else ""


def data(record: bytes) -> int:
    """The bytes that it takes on a disk, without its holes."""
    size: int = _HEAD.unpack_from(record, record.index(_END) + len(_END))[1]
    return size - sum(length for _, length in _holes(record))


def chunk_ids(record: bytes) -> Iterator[bytes]:
    """The ids of the file's chunks in their order, as bytes."""
    start, end = _span(record)
    return (record[at : at + ID_BYTES] for at in range(start, end, ID_BYTES))


def chunks(record: bytes) -> int:
    """How many chunks the file has, without a look at them."""
    start, end = _span(record)
    return (end - start) // ID_BYTES


def undated(record: bytes) -> tuple[bytes, memoryview]:
    """A record without the time of change, to compare what else is different."""
    at = record.index(_END) + len(_END) + _HEAD.size
    return record[: at - 8], memoryview(record)[at:]


def content(record: bytes) -> tuple[bytes, memoryview]:
    """A record without mode and time of change, to compare contents."""
    at = record.index(_END) + len(_END)
    return record[: at + _DATED.start], memoryview(record)[at + _DATED.stop :]


def _kind(record: bytes) -> int:
    return record[record.index(_END) + len(_END)]


def _span(record: bytes) -> tuple[int, int]:
    """Where the ids of its chunks are."""
    at = record.index(_END) + len(_END)
    start = at + _HEAD.size
    if record[at] == _FILE:
        return start, len(record)
    if record[at] != _WITH_HOLES:
        return start, start
    start += _COUNT.size
    return start, start + ID_BYTES * _COUNT.unpack_from(record, start - _COUNT.size)[0]


def _holes(record: bytes) -> Iterator[tuple[int, int]]:
    if _kind(record) == _WITH_HOLES:
        for at in range(_span(record)[1], len(record), _HOLE.size):
            yield _HOLE.unpack_from(record, at)
