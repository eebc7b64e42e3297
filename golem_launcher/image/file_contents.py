"""The file contents of an image under construction: one temporary file that holds equal contents once."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_PIECE: Final = 1024 * 1024


@dataclass(frozen=True)
class Span:
    """Where a content lies in the file. Equal contents have one span."""

    start: int = 0
    size: int = 0


EMPTY: Final = Span()


class FileContents:
    """Contents by span. For one thread; nothing is left of it after :meth:`close`."""

    def __init__(self, directory: Path) -> None:
        """Blocking; ``OSError`` when the disk does not take it."""
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - it lives as long as this
        self._known: dict[bytes, Span] = {b"": EMPTY}
        self._end = 0

    def add(self, content: bytes) -> Span:
        """Keep a content. Blocking; ``OSError`` when the disk is full."""
        if not content:
            return EMPTY
        digest = hashlib.sha256(content).digest()
        span = self._known.get(digest)
        if span is None:
            self._file.seek(self._end)
            self._file.write(content)
            span = self._known[digest] = Span(self._end, len(content))
            self._end += len(content)
        return span

    def add_from(self, source: IO[bytes]) -> Span:
        """Keep all that a file gives, in pieces: it may be larger than the memory. Blocking."""
        hasher, start, size = hashlib.sha256(), self._end, 0
        self._file.seek(start)
        while piece := source.read(_PIECE):
            hasher.update(piece)
            self._file.write(piece)
            size += len(piece)
        if not size:
            return EMPTY
        span = self._known.setdefault(hasher.digest(), Span(start, size))
        if span.start == start:  # else it is written over by what comes next
            self._end += size
        return span

    def read(self, span: Span, offset: int = 0, size: int = -1) -> bytes:
        """The content of a span, or ``size`` bytes of it from ``offset``. Blocking."""
        left = span.size - offset
        self._file.seek(span.start + offset)
        return self._file.read(left if size < 0 else min(size, left))

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
