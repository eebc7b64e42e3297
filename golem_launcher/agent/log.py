"""A log of bounded size whose bytes keep their numbers.

It lies in pieces, files named by the number of their first byte. The oldest are deleted; whoever asks for a byte that
is no more is given what follows it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 1 << 20
PIECES = 8
_SUFFIX = ".log"
_DIGITS = 16
_LONGEST_LINE = 65536


class LogWriter:
    """Appends to the log in ``directory``, a secret left out. One writer at a time; goes on after an older one's end.

    Raises ``OSError`` only when made. Later, a full disk loses lines of the log and nothing else.
    """

    def __init__(self, directory: Path, secret: bytes) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._secret = secret
        self._held = b""
        self._end = LogReader(directory).end()
        self._size = 0
        self._file = self._new_piece()

    def write(self, data: bytes) -> None:
        """Take what came in; whole lines are written, the rest when it is long or at the next ``flush``."""
        self._held += data
        cut = self._held.rfind(b"\n") + 1
        if cut:
            self._append(self._held[:cut])
            self._held = self._held[cut:]
        if len(self._held) > _LONGEST_LINE:
            self.flush()

    def line(self, text: str) -> None:
        """A line of the agent's own."""
        self.write(f"[agent] {text}\n".encode())

    def flush(self) -> None:
        """Write the part of a line that came last, but for what may be the beginning of the secret."""
        held = self._held.replace(self._secret, b"***")
        keep = next((size for size in range(len(self._secret) - 1, 0, -1) if held.endswith(self._secret[:size])), 0)
        self._append(held[: len(held) - keep])
        self._held = held[len(held) - keep :]

    def close(self) -> None:
        """Write all that is left."""
        self._append(self._held)
        self._held = b""
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        data = data.replace(self._secret, b"***")
        with contextlib.suppress(OSError):
            while data:
                if self._size >= PIECE:
                    os.close(self._file)
                    self._file = self._new_piece()
                written = os.write(self._file, data[: PIECE - self._size])
                data = data[written:]
                self._size += written
                self._end += written

    def _new_piece(self) -> int:
        pieces = _pieces(self._directory)
        for _, path in pieces[: max(0, len(pieces) - PIECES + 1)]:
            with contextlib.suppress(OSError):
                path.unlink()
        self._size = 0
        path = self._directory / f"{self._end:0{_DIGITS}d}{_SUFFIX}"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class LogReader:
    """Reads the log that another process writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def end(self) -> int:
        """The number of the byte that comes next."""
        pieces = _pieces(self._directory)
        if not pieces:
            return 0
        start, path = pieces[-1]
        with contextlib.suppress(OSError):
            return start + path.stat().st_size
        return start

    def read(self, offset: int, largest: int) -> tuple[int, bytes]:
        """At most ``largest`` bytes from ``offset``, or from the first one after it that is still there; its number.

        Of one piece only, so that a reader of the whole asks several times.
        """
        for start, path in _pieces(self._directory):
            try:
                with path.open("rb") as file:
                    if start + os.fstat(file.fileno()).st_size <= offset:
                        continue
                    file.seek(max(0, offset - start))
                    return max(offset, start), file.read(largest)
            except OSError:  # deleted meanwhile
                continue
        return offset, b""


def _pieces(directory: Path) -> list[tuple[int, Path]]:
    return sorted(
        (int(path.stem), path) for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit() and path.is_file()
    )
