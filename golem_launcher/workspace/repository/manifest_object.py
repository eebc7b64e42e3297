"""A generation's manifest as an object of a store: first what one wants to know of many, then the whole of it, packed.

Both parts are sealed. Raises ``Damaged`` for what is damaged or can't be decrypted.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository.manifest import LARGEST_MANIFEST, chunk_digest, chunk_id
from golem_launcher.workspace.repository.sealing import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.workspace.repository.sealing import Sealing

_HEAD = struct.Struct(">4sI")
_MAGIC = b"GLM1"
HEAD_AT_MOST = 64 * 1024
"""So many bytes of an object have its head."""


def packed(sealing: Sealing, name: str, summary: dict[str, Any], pieces: Iterable[bytes]) -> bytes:
    """The object ``name``, of a summary and the manifest's JSON, in pieces."""
    packing, packed, length, digest = zlib.compressobj(1), bytearray(), 0, chunk_digest()
    for piece in pieces:
        length += len(piece)
        if length > LARGEST_MANIFEST:
            raise WorkspaceError(
                "The list of the workspace's files is too long to be saved.",
                "Leave some directories out by a file .golemignore.",
            )
        digest.update(piece)
        packed += packing.compress(piece)
    packed += packing.flush()
    head = sealing.seal(f"{name}:head", json.dumps({**summary, "digest": digest.hexdigest()}).encode())
    return _HEAD.pack(_MAGIC, len(head)) + head + sealing.seal(name, bytes(packed))


def summary_of(sealing: Sealing, name: str, data: bytes) -> dict[str, Any]:
    """The summary in an object, or in its beginning."""
    return _split(sealing, name, data)[0]


def unpacked(sealing: Sealing, name: str, data: bytes) -> bytes:
    """The manifest's JSON in an object."""
    summary, body = _split(sealing, name, data)
    try:
        plain = zlib.decompressobj().decompress(sealing.open(name, body), LARGEST_MANIFEST)
    except zlib.error:
        raise _damaged(name) from None
    if chunk_id(plain) != summary["digest"]:
        raise _damaged(name)
    return plain


def _split(sealing: Sealing, name: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        magic, length = _HEAD.unpack_from(data)
        head = data[_HEAD.size : _HEAD.size + length]
        if magic != _MAGIC or len(head) != length:
            raise _damaged(name)
        return json.loads(sealing.open(f"{name}:head", head)), data[_HEAD.size + length :]
    except (struct.error, ValueError):
        raise _damaged(name) from None


def _damaged(name: str) -> Damaged:
    _, workspace, number = name.split("/")
    return Damaged(f"Generation {int(number)} of '{workspace}' is damaged.")
