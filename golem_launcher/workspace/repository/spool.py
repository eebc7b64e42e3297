"""Bytes of which there may be too many to be held: a few stay in memory, more lie in a file that has no name.

Lists of 200,000 files are read from one end to the other, so they need no memory. The file is in the directory for
temporary files, and gone with the object, or with the process.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HELD = 512 * 1024
"""So many bytes stay in memory."""
_PIECE = 1024 * 1024


class Spool:
    """Write, then read from anywhere. Blocking; other threads may read while one writes."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._memory = bytearray()
        self._file: int | None = None
        self.size = 0
        for piece in pieces:
            self.append(piece)

    def append(self, data: bytes | bytearray) -> int:
        """Add ``data`` at the end; where it begins. Raises ``WorkspaceError`` when the disk is full."""
        begin = self.size
        self.write(begin, data)
        return begin

    def write(self, begin: int, data: bytes | bytearray) -> None:
        """Put ``data`` there, after zeros where nothing was before. Raises as :meth:`append`.

        Its end is then as it was; of what lay there already, some may be overwritten.
        """
        end = begin + len(data)
        if self._file is None and end > _HELD:
            self._move_to_file()
        if self._file is None:
            self._memory.extend(bytes(max(0, begin - len(self._memory))))
            self._memory[begin:end] = data
        else:
            try:
                _write(self._file, data, begin)
            except WorkspaceError:
                with contextlib.suppress(OSError):  # else a part of it would be read where zeros are expected
                    os.ftruncate(self._file, self.size)
                raise
        self.size = max(self.size, end)

    def read(self, begin: int, size: int) -> bytes:
        """``size`` bytes from there on; fewer where it ends."""
        memory, file = self._memory, self._file  # in this order: it moves to the file in the other one
        return bytes(memory[begin : begin + size]) if file is None else os.pread(file, size, begin)

    def pieces(self, end: int | None = None) -> Iterator[bytes]:
        """All of it that is there now, or what is before ``end``."""
        end = self.size if end is None else end
        return (self.read(begin, min(_PIECE, end - begin)) for begin in range(0, end, _PIECE))

    def _move_to_file(self) -> None:
        try:
            with tempfile.TemporaryFile(buffering=0) as made:
                _write(made.fileno(), self._memory, 0)
                file = os.dup(made.fileno())
        except OSError as error:
            raise _no_room(error) from None
        weakref.finalize(self, os.close, file)
        self._file = file
        self._memory = bytearray()


def _write(file: int, data: bytes | bytearray, begin: int) -> None:
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(file, view, begin)
            view, begin = view[written:], begin + written
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> WorkspaceError:
    place = tempfile.tempdir or "the directory for temporary files"  # to look for one needs room, too
    return WorkspaceError(
        f"The list of the workspace's files could not be put into {place}: {error.strerror or error}.",
        "Check that it can be written to and has room.",
    )
