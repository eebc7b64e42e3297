"""Restores a workspace: what is gone goes first, then come directories, files chunk by chunk, last links and times.

No path passes a link on its way. The launcher sends the chunks in the order of the manifest, each once: where one comes
again, a frame without content says so. So a connection that broke goes on at the next chunk, and nothing is held in
memory.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from .chunker import ID_BYTES, Cuts, chunk_id
from .index_entry import ChunkLocation
from .name_escaping import unescape
from .open_beneath import directory, opened, parent
from .wire import AGAIN, GONE, WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .index import Index

_MOST_PROBLEMS = 10_000
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class _File(NamedTuple):
    path: str
    mode: int
    mtime: int
    size: int
    chunks: list[bytes]
    holes: list[tuple[int, int]]


class FileReceiver:
    """One restore: :meth:`begin` once, :meth:`put` for each frame in order, :meth:`finish` once."""

    def __init__(self, root: str, index: Index) -> None:
        self._top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._index = index
        self._directories: list[tuple[str, int, int]] = []
        self._links: list[tuple[str, str, int]] = []
        self._files: list[_File] = []
        self._again: dict[bytes, ChunkLocation] = {}
        self._several: set[bytes] = set()
        self._at = self._chunk = self._offset = 0
        self._sizes: list[int] = []
        self._descriptor = -1
        self._broken: list[str] = []
        """Files of which a part is missing."""
        self.next = 0
        """The number of chunks taken so far."""
        self.problems: list[list[str]] = []
        """Path and reason of what could not be restored."""

    def begin(self, lines: Iterable[Any]) -> None:
        """Take the entries, remove what is gone, make directories. Raises ``WireError`` for what are no entries."""
        seen: set[bytes] = set()
        for line in lines:
            kind, path, mode, mtime, *more = line
            _check(path)
            path = unescape(path)
            if kind == "d":
                self._directories.append((path, mode & 0o7777, mtime))
            elif kind == "x":
                self._remove(path)
            elif kind == "l":
                self._links.append((path, unescape(more[0]), mtime))
            elif kind == "f":
                size, chunks = more[0], [bytes.fromhex(each) for each in more[1]]
                if any(len(each) != ID_BYTES for each in chunks):
                    raise WireError("an id that is none")
                for each in chunks:
                    (self._several if each in seen else seen).add(each)
                holes = [(int(at), int(length)) for at, length in (more[2] if len(more) > 2 else ())]  # noqa: PLR2004
                self._files.append(_File(path, mode & 0o7777, mtime, size, chunks, holes))
            else:
                raise WireError("an entry of an unknown kind")
        for path, _, _ in sorted(self._directories):
            self._make(path)
        self._open()

    def put(self, chunk: bytes, kind: int, data: bytes) -> None:
        """The next chunk. Raises ``WireError`` when it is not the one whose turn it is."""
        if self._at == len(self._files):
            raise WireError("a chunk too many")
        expected = self._files[self._at].chunks[self._chunk]
        if chunk != expected:
            raise WireError("a chunk out of its turn")
        if kind == GONE:
            self._give_up(OSError("a part of it is lost"))
        elif kind == AGAIN:
            data = self._earlier(chunk)
        elif chunk_id(data) != chunk:
            raise WireError("a chunk that was damaged")
        self._skip_holes()
        if self._descriptor >= 0:
            self._write(data)
            if chunk in self._several:
                self._again.setdefault(chunk, ChunkLocation(self._files[self._at].path, self._offset, len(data)))
        self._sizes.append(len(data))
        self._offset += len(data)
        self._chunk += 1
        self.next += 1
        if self._chunk == len(self._files[self._at].chunks):
            self._close()

    def finish(self) -> None:
        """Links, modes and times. Raises ``WireError`` while chunks are missing."""
        if self._at < len(self._files):
            raise WireError("chunks are missing")
        for path in self._broken:
            with contextlib.suppress(OSError), parent(self._top, path) as (above, name):
                os.unlink(name, dir_fd=above)
        for path, target, mtime in self._links:
            self._link(path, target, mtime)
        for path, mode, mtime in sorted(self._directories, reverse=True):
            with contextlib.suppress(OSError), directory(self._top, path) as own:
                os.utime(own, ns=(mtime, mtime))
                os.fchmod(own, mode)
        self.abandon()

    def _remove(self, path: str) -> None:
        """What was brought before is not there any more; a directory that has something of its own stays."""
        with contextlib.suppress(OSError), parent(self._top, path) as (above, name):
            if stat.S_ISDIR(os.lstat(name, dir_fd=above).st_mode):
                os.rmdir(name, dir_fd=above)
            else:
                os.unlink(name, dir_fd=above)

    def _link(self, path: str, target: str, mtime: int) -> None:
        try:
            with parent(self._top, path, make=True) as (above, name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=above)
                os.symlink(target, name, dir_fd=above)
                os.utime(name, ns=(mtime, mtime), dir_fd=above, follow_symlinks=False)
        except OSError as error:
            self._problem(path, error)

    def abandon(self) -> None:
        """Close the files that are open, when a restore is given up."""
        self._close_file()
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _make(self, path: str) -> None:
        try:
            with directory(self._top, path, make=True):
                pass
        except OSError as error:
            self._problem(path, error)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._give_up(error)

    def _skip_holes(self) -> None:
        """The next chunk comes behind a hole: nothing is written there."""
        for at, length in self._files[self._at].holes:
            if at == self._offset:
                self._offset += length
                if self._descriptor >= 0:
                    try:
                        os.lseek(self._descriptor, self._offset, os.SEEK_SET)
                    except OSError as error:
                        self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """The file whose turn it is can't be had whole: it is removed in the end, but others may take its chunks."""
        if self._descriptor >= 0:
            self._problem(self._files[self._at].path, error)
            self._broken.append(self._files[self._at].path)
            self._close_file()

    def _open(self) -> None:
        """Begin with the next file; those without content are made on the way."""
        while self._at < len(self._files):
            file = self._files[self._at]
            self._chunk = self._offset = 0
            self._sizes = []
            try:
                with parent(self._top, file.path, make=True) as (above, name):
                    self._descriptor = os.open(name, _CREATE, 0o600, dir_fd=above)
            except OSError as error:
                self._problem(file.path, error)
                self._descriptor = -1
            if file.chunks:
                return
            self._close(go_on=False)

    def _close(self, *, go_on: bool = True) -> None:
        """The file is whole."""
        file = self._files[self._at]
        self._skip_holes()
        if self._descriptor >= 0 and file.holes:
            try:
                os.ftruncate(self._descriptor, self._offset)
            except OSError as error:
                self._give_up(error)
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.fchmod(self._descriptor, file.mode)
                os.utime(self._descriptor, ns=(file.mtime, file.mtime))
            self._close_file()
            self._index.learn(file.path, Cuts(b"".join(file.chunks), tuple(self._sizes), tuple(file.holes)))
        self._at += 1
        if go_on:
            self._open()

    def _earlier(self, chunk: bytes) -> bytes:
        """A chunk that was written before; without it this file is given up."""
        place = self._again.get(chunk)
        with contextlib.suppress(OSError):
            with opened(self._top, place.path if place else ".", os.O_RDONLY) as descriptor:
                data = os.pread(descriptor, place.size, place.offset) if place else b""
            if chunk_id(data) == chunk:
                return data
        self._give_up(OSError("a part of it is not there"))
        return b""

    def _problem(self, path: str, error: OSError) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append([path, error.strerror or str(error)])


def _check(path: Any) -> None:
    if not isinstance(path, str) or "\0" in path or not all(part not in {"", ".", ".."} for part in path.split("/")):
        raise WireError("a path that leads out of the workspace")
