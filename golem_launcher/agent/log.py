"""The log of a session inside the provider: bounded on disk, without the token, read by absolute offsets.

It is a few files named by the offset of their first byte. The oldest goes when a new one begins, so an offset means
the same byte for ever, and a reader that comes late skips what is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT = 4 * 1024 * 1024
"""Bytes in a file."""
_KEPT = 2
_SUFFIX = ".log"


class Log:
    """The writing end."""

    def __init__(self, directory: Path, *, secret: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._secret = secret.encode()
        self._end = 0
        self._file: Any = None
        self._room = 0

    def __enter__(self) -> Log:  # noqa: PYI034 - typing.Self is newer than the Pythons this runs on
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def line(self, text: str) -> None:
        """A line of the agent's own."""
        self.write(f"[golem-launcher] {text}\n".encode())

    def write(self, data: bytes) -> None:
        """Whole lines of output, without the token. A full disk loses lines, not the session."""
        data = data.replace(self._secret, b"[token]")
        if self._room < len(data):
            self._next_file()
        try:
            self._file.write(data)
        except OSError:
            self._next_file()
            return
        self._end += len(data)
        self._room -= len(data)

    def _next_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = (self._directory / f"{self._end:020d}{_SUFFIX}").open("wb", buffering=0)
        self._room = SEGMENT
        for old in segments(self._directory)[:-_KEPT]:
            old.unlink()


def segments(directory: Path) -> list[Path]:
    """The files of a log, oldest first."""
    return sorted(directory.glob(f"*{_SUFFIX}"))


def read(directory: Path, offset: int, largest: int) -> tuple[bytes, int]:
    """At most ``largest`` bytes from ``offset`` on, and the offset of the byte after them.

    An offset that is gone is moved to the oldest byte there is, one beyond the end to the end.
    """
    for path in segments(directory):
        start = int(path.stem)
        try:
            size = path.stat().st_size
            if offset >= start + size:
                continue
            begin = max(offset, start)
            with path.open("rb") as file:
                file.seek(begin - start)
                data = file.read(largest)
        except FileNotFoundError:  # it was the oldest, just now
            continue
        return data, begin + len(data)
    return b"", min(offset, end(directory))


def end(directory: Path) -> int:
    """The offset of the byte that will be written next."""
    found = segments(directory)
    return int(found[-1].stem) + found[-1].stat().st_size if found else 0
