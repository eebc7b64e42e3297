"""Copies of files that are written all the time, taken between two writes and read from then on."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from typing import IO, NamedTuple

_LARGEST = 256 * 1024 * 1024
"""Bytes of all copies together: they take the disk of the session."""
_QUIET_NS = 20_000_000
"""A file that nobody wrote to for so long is nobody's half-written one."""
_SHORTER_SECONDS = 0.06
"""One that became shorter may be empty for so long before it is written: who writes it waits for a processor."""
_PATIENCE = 1.0
"""Seconds that one walk waits for such moments, in all."""
_POLL_SECONDS = 0.005
_PIECE = 1024 * 1024
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Copy(NamedTuple):
    """What was in a file at one moment."""

    file: IO[bytes]
    status: os.stat_result
    whole: bool
    """Whether nobody was writing then, for all that can be seen."""


class Copies:
    """Copies of files of which a chunk was asked for in vain. Not thread-safe, except for ``want`` and ``read``."""

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._wanted: set[str] = set()
        self._files: dict[str, IO[bytes]] = {}
        self._patience = 0.0

    def begin(self) -> None:
        """Another walk: there is patience again."""
        self._patience = _PATIENCE

    def want(self, path: str) -> None:
        """From now on this file is read from a copy."""
        self._wanted.add(path)

    def forget(self, path: str) -> None:
        """Drop the copy of a file that no longer changes, or is gone."""
        self._wanted.discard(path)
        self._drop(path)

    def read(self, path: str, size: int, offset: int) -> bytes:
        """Bytes of the last copy; none where there is no copy."""
        with contextlib.suppress(KeyError, OSError, ValueError):  # it may be dropped meanwhile
            return os.pread(self._files[path].fileno(), size, offset)
        return b""

    def stands(self, descriptor: int, status: os.stat_result, had: int) -> bool:
        """Whether an open file that had ``had`` bytes, and now is as in ``status``, is nobody's half-written one.

        Who writes a file anew empties it first, and for a moment, or longer where the disk is busy, its times are
        those of what was in it before. So one that is shorter is looked at for a while, as long as there is patience.
        """
        left = _SHORTER_SECONDS
        while status.st_size < had and left > 0 and self._patience > 0:
            time.sleep(_POLL_SECONDS)
            self._patience -= _POLL_SECONDS
            left -= _POLL_SECONDS
            now = os.fstat(descriptor)
            if (now.st_mtime_ns, now.st_size) != (status.st_mtime_ns, status.st_size):
                return False
        return True

    def take(self, parent: int, name: str, path: str, had: int) -> Copy | None:
        """A new copy of the file ``name`` in an open directory; ``None`` when it needs none or there is no room.

        ``had``: as for :meth:`stands`.

        Raises ``OSError`` when the file can't be read.
        """
        if path not in self._wanted:
            return None
        self._drop(path)
        while True:
            source = os.open(name, _FILE, dir_fd=parent)  # anew: it may have been replaced by another
            try:
                status = os.fstat(source)
                quiet = time.time_ns() - status.st_mtime_ns > _QUIET_NS
                if quiet or self._patience <= 0:
                    if self._taken() + status.st_size > _LARGEST:
                        return None
                    copied = self._copied(source, status.st_size)
                    after = os.fstat(source)
                    same = (after.st_mtime_ns, after.st_size) == (status.st_mtime_ns, status.st_size)
                    same = same and self.stands(source, status, had)
                    if copied is None or self._patience <= 0 or same:
                        break
                    copied.close()
            finally:
                os.close(source)
            time.sleep(_POLL_SECONDS)
            self._patience -= _POLL_SECONDS
        if copied is None:
            return None
        self._files[path] = copied
        return Copy(copied, status, quiet and same)

    def _copied(self, source: int, size: int) -> IO[bytes] | None:
        try:
            copied = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - kept until the file changes
        except OSError:
            return None
        try:
            while size and (piece := os.read(source, min(size, _PIECE))):
                copied.write(piece)
                size -= len(piece)
            copied.flush()
            copied.seek(0)
        except OSError:  # the disk is full
            with contextlib.suppress(OSError):
                copied.close()
            return None
        return copied

    def _taken(self) -> int:
        return sum(os.fstat(file.fileno()).st_size for file in self._files.values())

    def _drop(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            file.close()
