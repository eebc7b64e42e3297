"""Chunks that are on their way into a store: gathered until they make a pack, then written down in a thread.

While a pack is written, and reaches the disk or a far place, the next one is gathered. A chunk leaves here once its
pack and the index of that are there; those of a pack that could not be written stay, and are tried again.
"""

from __future__ import annotations

import secrets
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from golem_launcher.workspace.backends.locations import Location
    from golem_launcher.workspace.repository.sealing import Sealing

    Index = list[tuple[bytes, int, int]]
    """Of each chunk in a pack: its id, its offset there and its length."""

PACK_BYTES = 6 * 1024 * 1024
"""A pack is written when it has grown to this."""
MOST_CHUNKS = 4096
"""So many are in a pack at most, however small they are: they are held until it is written."""


class PackWriter:
    """Used by the one thread that puts chunks into a store; the location is used by nobody else while it writes."""

    def __init__(self, location: Location, sealing: Sealing) -> None:
        self._location = location
        self._sealing = sealing
        self._gathered: dict[bytes, bytes] = {}
        self._bytes = 0
        """Of those."""
        self._leaving: dict[bytes, bytes] = {}
        """What is being written."""
        self._writing: Future[tuple[str, Index]] | None = None

    def __contains__(self, chunk: bytes) -> bool:
        return chunk in self._gathered or chunk in self._leaving

    def __getitem__(self, chunk: bytes) -> bytes:
        """A chunk that is here, sealed."""
        return self._gathered[chunk] if chunk in self._gathered else self._leaving[chunk]

    @property
    def full(self) -> bool:
        """Whether there is a pack to write."""
        return self._bytes >= PACK_BYTES or len(self._gathered) >= MOST_CHUNKS

    def add(self, chunk: bytes, sealed: bytes) -> None:
        """Gather a chunk."""
        self._gathered[chunk] = sealed
        self._bytes += len(sealed)

    def begin(self) -> None:
        """Write what is gathered, while more may be. Called when nothing is being written."""
        if self._gathered:
            self._leaving, self._gathered, self._bytes = self._gathered, {}, 0
            thread = ThreadPoolExecutor(1)
            self._writing = thread.submit(self._write, self._leaving)
            thread.shutdown(wait=False)  # it ends with this pack

    def finish(self) -> tuple[str, Index] | None:
        """Wait for the pack that is being written: its name and index; ``None`` where there is none.

        Raises ``WorkspaceError`` when it could not be written: its chunks are gathered again.
        """
        if self._writing is None:
            return None
        leaving, self._leaving = self._leaving, {}
        writing, self._writing = self._writing, None
        try:
            return writing.result()
        except Exception:
            self._gathered = leaving | self._gathered
            self._bytes = sum(map(len, self._gathered.values()))
            raise

    def _write(self, chunks: Mapping[bytes, bytes]) -> tuple[str, Index]:
        pack, index = secrets.token_hex(12), list(_index(chunks))
        self._location.write(f"packs/{pack}", chunks.values())
        spans = ",".join(f'"{chunk.hex()}":[{offset},{length}]' for chunk, offset, length in index)
        packed = zlib.compress(f"{{{spans}}}".encode(), 1)
        self._location.write(f"indexes/{pack}", [self._sealing.seal(f"indexes/{pack}", packed)])
        return pack, index


def _index(chunks: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, int, int]]:
    offset = 0
    for chunk, sealed in chunks.items():
        yield chunk, offset, len(sealed)
        offset += len(sealed)
