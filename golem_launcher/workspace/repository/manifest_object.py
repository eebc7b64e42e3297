"""A generation's manifest as an object of a store: first a summary, which lists need, then all of it, packed.

The second part is in pieces, each sealed for its place, and ends with the digest of all of them. What is damaged or
can't be decrypted raises ``DamagedObject``.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from golem_launcher.workspace.repository import manifest_lists
from golem_launcher.workspace.repository.entry import chunk_digest
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from golem_launcher.workspace.repository.sealing import Sealing

_HEAD = struct.Struct(">4sI")
_LENGTH = struct.Struct(">I")
_MAGIC = b"GLM2"
HEAD_AT_MOST = 64 * 1024
"""So many bytes of an object have its head."""
_PIECE = 256 * 1024
_READ = 1024 * 1024


def packed(sealing: Sealing, name: str, summary: dict[str, Any], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The object ``name``, of a summary and lines of the manifest, in pieces."""
    head = sealing.seal(f"{name}:head", json.dumps(summary).encode())
    yield _HEAD.pack(_MAGIC, len(head)) + head
    digest, number = chunk_digest(), 0
    for number, piece in enumerate(_compressed(pieces, digest.update), 1):
        yield _framed(sealing.seal(f"{name}:{number}", piece))
    yield _framed(b"") + _framed(sealing.seal(f"{name}:end", digest.digest()))


def _compressed(pieces: Iterable[bytes], see: Callable[[bytes], None]) -> Iterator[bytes]:
    packing, waiting = zlib.compressobj(1), bytearray()
    for piece in pieces:
        see(piece)
        waiting += packing.compress(piece)
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting + packing.flush())


def _framed(piece: bytes) -> bytes:
    return _LENGTH.pack(len(piece)) + piece


def summary_of(sealing: Sealing, name: str, data: bytes) -> dict[str, Any]:
    """The summary in an object, or in its beginning."""
    try:
        magic, length = _HEAD.unpack_from(data)
        head = data[_HEAD.size : _HEAD.size + length]
        if magic != _MAGIC or len(head) != length:
            raise damaged(name)
        found: dict[str, Any] = json.loads(sealing.open(f"{name}:head", head))
    except (struct.error, ValueError):
        raise damaged(name) from None
    return found


def unpacked(sealing: Sealing, name: str, read: Callable[[int, int], bytes]) -> Generator[bytes, None, None]:
    """The manifest's lines in an object, in pieces; ``read`` gives bytes of it, from where and how many.

    Nothing may be trusted before the last piece came, which proves the others.
    """
    frames = _frames(read)
    try:
        head = next(frames)
        summary_of(sealing, name, head)
        inflater, digest, length, number = zlib.decompressobj(), chunk_digest(), 0, 0
        for number, frame in enumerate(frames, 1):
            if not frame:
                break
            packed = sealing.open(f"{name}:{number}", frame)
            while packed:
                plain = inflater.decompress(packed, _PIECE)
                packed = inflater.unconsumed_tail
                length += len(plain)
                if length > manifest_lists.LARGEST:
                    raise damaged(name)
                digest.update(plain)
                yield plain
        if not inflater.eof or sealing.open(f"{name}:end", next(frames)) != digest.digest():
            raise damaged(name)
    except (StopIteration, struct.error, zlib.error):
        raise damaged(name) from None


def _frames(read: Callable[[int, int], bytes]) -> Iterator[bytes]:
    """The head of an object, then its pieces. ``struct.error`` where it ends."""
    buffer, at = bytearray(), 0

    def want(size: int) -> bytes:
        nonlocal at
        while len(buffer) < size and (more := read(at, _READ)):
            buffer.extend(more)
            at += len(more)
        found = bytes(buffer[:size])
        del buffer[:size]
        return found

    start = want(_HEAD.size)
    yield start + want(_HEAD.unpack(start)[1])
    while True:
        yield want(_LENGTH.unpack(want(_LENGTH.size))[0])


def damaged(name: str) -> DamagedObject:
    """What is said of a manifest that can't be read."""
    _, workspace, number = name.split("/")
    return DamagedObject(f"Generation {int(number)} of '{workspace}' is damaged.")
