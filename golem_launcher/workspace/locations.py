"""Where a store lies: a directory of this computer, or whatever fsspec reaches (s3, gs, hdfs, sftp, …), or Redis.

A location keeps small immutable objects under names like ``packs/ab12``. Written means there for good.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from golem_launcher import files, paths
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.fsspec_location import FsspecLocation
from golem_launcher.workspace.redis_location import RedisLocation

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "sftp": "paramiko", "hdfs": "requests", "redis": "redis"}
"""What has to be installed for a kind of store."""
_REDIS = {"redis", "rediss", "unix"}
ROOM_LEFT = 32 * 1024 * 1024
"""Bytes of the user's disk that nothing here takes; what is large leaves more (see :mod:`fitting`)."""


class Location(Protocol):
    """A place for objects. Blocking. Every method raises ``WorkspaceError`` when the place can't be reached."""

    readers: int
    """How many threads may read at once to some use: more than one where each read is a way there and back."""

    def establish(self) -> None:
        """Make the place where it is not there yet; from now on it is never made again."""
        ...

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them; ``FileNotFoundError`` when there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep an object; whole or not at all, and there after a power cut."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """:meth:`write`, unless an object of that name is there: then nothing happens, and the answer is no."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The names of the objects below ``prefix`` (which ends with /), sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; nothing when there is none."""
        ...


def open_location(url: str | None) -> Location:
    """The location at ``url``: a path, an fsspec URL, ``redis://``; ``None`` is this computer's own.

    Raises ``WorkspaceError`` when its kind is unknown or its package is not installed.
    """
    if url is None:
        return Directory(paths.private_directory(paths.home() / "workspaces"))
    scheme = urlsplit(url).scheme
    if "://" not in url or scheme == "file":
        return Directory(Path(url.removeprefix("file://")).expanduser().absolute())
    with _installed(scheme):
        return RedisLocation(url) if scheme in _REDIS else FsspecLocation(url)


class Directory:
    """Objects are files. They are on disk before they have their names, and the names are on disk before we go on."""

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
        self._established = True

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file, or a part of them."""
        with self._reading(), (self._path / name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def write(self, name: str, data: bytes) -> None:
        """Write, sync, rename, sync the directory."""
        path = self._path / name
        if self._established and not self._path.is_dir():
            raise WorkspaceError(f"The store {self._path} is not there any more.", "Put it back where it was.")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_room(path.parent, len(data))
            files.write_atomic(path, data)
            _sync_directory(path.parent)
        except OSError as error:
            raise WorkspaceError(
                f"A save could not be written to {self._path}: {error.strerror or error}.",
                "Check that it can be written to and has room.",
            ) from error

    def create(self, name: str, data: bytes) -> bool:
        """Write under a name of its own, then link: of two who do it at once, one gets the name."""
        path = self._path / name
        draft = f"{path.parent.relative_to(self._path).as_posix()}/.{path.name}.{secrets.token_hex(4)}"
        self.write(draft, data)
        try:
            os.link(self._path / draft, path)
            _sync_directory(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise WorkspaceError(f"A save could not be written to {self._path}: {error.strerror or error}.") from error
        finally:
            self.delete(draft)
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
        with contextlib.suppress(FileNotFoundError):
            (self._path / name).unlink()

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


def _check_room(directory: Path, size: int) -> None:
    if size + ROOM_LEFT > shutil.disk_usage(directory).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _installed(scheme: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, ValueError) as error:
        package = _PACKAGES.get(scheme)
        if package is None:
            raise WorkspaceError(
                f"There is no kind of store '{scheme}://'.", f"There is {', '.join(_PACKAGES)}."
            ) from error
        raise WorkspaceError(f"A store in {scheme} needs the package {package}.", f"pip install {package}") from error
