"""A store in a directory of this computer. An object is a file, complete and on disk before it has its name."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files
from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOM_LEFT = 32 * 1024 * 1024
"""Bytes of the disk that stay free whatever is written; a save leaves more (``transfer/space_limits.py``)."""
_PARTIAL = re.compile(r"\.[0-9a-f]{24}\.[0-9a-f]{8}")
"""As ``files.write_pieces`` calls what becomes an object whose name is a pack's."""
_UNFINISHED_SECONDS = 86400.0
"""So old, it is nobody's who still writes."""


class DirectoryLocation:
    """Objects are files, and a write returns when the file and its name are on disk."""

    readers = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self._established = False

    def establish(self) -> None:
        """Make the directory."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The store {self._path} can't be made: {error.strerror or error}.", "Name another with --store."
            ) from error
        self._clear()
        self._established = True

    def _clear(self) -> None:
        """Remove what processes left of packs that were killed while they wrote: nobody reads it, and it takes room."""
        for kind in ("packs", "indexes"):
            for path in (self._path / kind).glob(".*"):
                with contextlib.suppress(OSError):
                    if _PARTIAL.fullmatch(path.name) and path.stat().st_mtime < time.time() - _UNFINISHED_SECONDS:
                        path.unlink()

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file, or a part of them."""
        with self._reading(), (self._path / name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write, sync, rename, sync the directory."""
        path = self._path / name
        if self._established and not self._path.is_dir():
            raise WorkspaceError(f"The store {self._path} is not there any more.", "Put it back where it was.")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write_pieces(path, _while_there_is_room(path.parent, pieces))
            files.sync_directory(path.parent)
        except OSError as error:
            raise WorkspaceError(
                f"A save could not be written to {self._path}: {error.strerror or error}.",
                "Check that it can be written to and has room.",
            ) from error

    def create(self, name: str, pieces: Iterable[bytes]) -> bool:
        """Write under a name of its own, then link: of two who do it at once, one gets the name."""
        path = self._path / name
        partial = f"{path.parent.relative_to(self._path).as_posix()}/.{path.name}.{secrets.token_hex(4)}"
        self.write(partial, pieces)
        try:
            os.link(self._path / partial, path)
            files.sync_directory(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise WorkspaceError(f"A save could not be written to {self._path}: {error.strerror or error}.") from error
        finally:
            self.delete(partial)
        return True

    def names(self, prefix: str) -> list[str]:
        """The files below a directory; unfinished ones, whose names begin with a dot, are none."""
        top = self._path / prefix
        found = []
        with self._reading():
            for directory, _, names in os.walk(top, onerror=_raise):
                base = Path(directory).relative_to(self._path).as_posix()
                found += [f"{base}/{name}" for name in names if not name.startswith(".")]
        return sorted(found)

    def delete(self, name: str) -> None:
        """Remove a file."""
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The store {self._path} lets nothing be deleted: {error.strerror or error}.",
                "Check that it can be written to.",
            ) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise WorkspaceError(
                f"The saves in {self._path} can't be read: {error.strerror or error}.",
                "Check its disk and permissions.",
            ) from error


def _raise(error: OSError) -> None:
    """A directory that can't be read is no empty one: what it holds would be taken for lost."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _while_there_is_room(directory: Path, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if len(piece) + ROOM_LEFT > shutil.disk_usage(directory).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield piece
