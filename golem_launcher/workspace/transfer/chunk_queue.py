"""Chunks that are to be brought, in their order: half a million of them in few bytes each."""

from __future__ import annotations

from array import array

from golem_launcher.agent.workspace.wire import FRAME
from golem_launcher.workspace.repository.chunk_ids import ChunkIds


class ChunkQueue:
    """Add at the end, then take from the beginning."""

    def __init__(self) -> None:
        self._ids = ChunkIds()
        self._sizes = array("I")
        self._taken = 0
        """How many of the first have been brought."""
        self.bytes = 0
        """Of all that is left, as it travels, about."""

    def __len__(self) -> int:
        return len(self._sizes) - self._taken

    def __contains__(self, chunk: bytes) -> bool:
        return chunk in self._ids

    def add(self, chunk: bytes, size: int) -> None:
        """Add a chunk of about ``size`` bytes, unless it was added before."""
        if self._ids.add(chunk) == len(self._sizes):
            self._sizes.append(size + FRAME.size)
            self.bytes += self._sizes[-1]

    def first(self, most_bytes: float, most: int) -> list[str]:
        """The first that are left, in hex: of so many bytes in all and so many at most, or one at least."""
        part: list[str] = []
        size = 0
        for row in range(self._taken, min(self._taken + most, len(self._sizes))):
            size += self._sizes[row]
            if part and size > most_bytes:
                break
            part.append(self._ids[row].hex())
        return part

    def take(self, count: int) -> int:
        """Remove the first ``count`` chunks; their bytes."""
        size = sum(self._sizes[self._taken : self._taken + count])
        self._taken += count
        self.bytes -= size
        return size
