"""Where a store lies: a directory of this computer, or whatever fsspec reaches (s3, gs, hdfs, sftp, …), or Redis.

A location keeps small immutable objects under names like ``packs/ab12``. Written means there for good.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from golem_launcher import files, paths
from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "sftp": "paramiko", "hdfs": "pyarrow", "redis": "redis"}
"""What has to be installed for a kind of store."""


_READERS = 16
ROOM_LEFT = 256 * 1024 * 1024
"""Bytes of the user's disk that saves leave free."""


class Location(Protocol):
    """A place for objects. Blocking. Every method raises ``WorkspaceError`` when the place can't be reached."""

    readers: int
    """How many threads may read at once to some use: more than one where each read is a way there and back."""

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
        if scheme in {"redis", "rediss"}:
            return _redis(url)
        return _Fsspec(url)


def shown(url: str | None) -> str:
    """The address of a store without user, password and options, for state and logs; empty for this computer's own."""
    if url is None or "://" not in url:
        return url or ""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class Directory:
    """Objects are files. They are on disk before they have their names, and the names are on disk before we go on."""

    readers = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file, or a part of them."""
        with (self._path / name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def write(self, name: str, data: bytes) -> None:
        """Write, sync, rename, sync the directory."""
        path = self._path / name
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
        for directory, _, names in os.walk(top):
            base = Path(directory).relative_to(self._path).as_posix()
            found += [f"{base}/{name}" for name in names if not name.startswith(".")]
        return sorted(found)

    def delete(self, name: str) -> None:
        """Remove a file."""
        with contextlib.suppress(FileNotFoundError):
            (self._path / name).unlink()


def _check_room(directory: Path, size: int) -> None:
    if size + ROOM_LEFT > shutil.disk_usage(directory).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Fsspec:
    """Objects in a file system of fsspec. An object is written beside its name and moved where moving is atomic."""

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - most stores need none of it

        self._url = shown(url)
        fsspec.get_filesystem_class(urlsplit(url).scheme)  # an error of its own when it is unknown or not installed
        with _reached(self._url):
            self._fs, self._root = fsspec.core.url_to_fs(url)
        self._moves = type(self._fs).__name__ not in {"S3FileSystem", "GCSFileSystem"}
        self.readers = 1 if self._moves else _READERS

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _reached(self._url):
            end = None if length is None else start + length
            return bytes(self._fs.cat_file(self._path(name), start=start or None, end=end))

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with _reached(self._url):
            if not self._moves:
                self._fs.pipe_file(path, data)  # an object store shows an object when it is whole
                return
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(f"{path}.part", data)
            self._fs.mv(f"{path}.part", path)

    def create(self, name: str, data: bytes) -> bool:
        # s3 and gs refuse to write over an object when asked to; elsewhere the look comes shortly before the write.
        path = self._path(name)
        with _reached(self._url):
            self._fs.invalidate_cache()
            if self._fs.exists(path):
                return False
            if not self._moves:
                try:
                    self._fs.pipe_file(path, data, mode="create")
                except FileExistsError:
                    return False
                return True
        self.write(name, data)
        return True

    def names(self, prefix: str) -> list[str]:
        with _reached(self._url):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._path(prefix))
            except FileNotFoundError:
                return []
        start = len(self._root.rstrip("/")) + 1
        return sorted(path[start:] for path in found if not path.endswith(".part"))

    def delete(self, name: str) -> None:
        with _reached(self._url), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))


def _redis(url: str) -> Location:
    import redis  # noqa: PLC0415

    return _Redis(redis.Redis.from_url(url, socket_timeout=30), shown(url))


class _Redis:
    """Objects are keys. They are as safe as the settings for persistence of that Redis are."""

    readers = 4

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _reached(self._url):
            if start == 0 and length is None:
                data = self._client.get(_key(name))
            else:
                end = -1 if length is None else start + length - 1
                data = self._client.getrange(_key(name), start, end) or None
        if data is None:
            raise FileNotFoundError(name)
        return bytes(data)

    def write(self, name: str, data: bytes) -> None:
        with _reached(self._url):
            self._client.set(_key(name), data)

    def create(self, name: str, data: bytes) -> bool:
        with _reached(self._url):
            return bool(self._client.set(_key(name), data, nx=True))

    def names(self, prefix: str) -> list[str]:
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", _key(prefix)) + "*"
        with _reached(self._url):
            found = list(self._client.scan_iter(match=pattern, count=1000))
        return sorted(key.decode().removeprefix(_key("")) for key in found)

    def delete(self, name: str) -> None:
        with _reached(self._url):
            self._client.delete(_key(name))


def _key(name: str) -> str:
    return f"golem-launcher:{name}"


@contextlib.contextmanager
def _reached(url: str) -> Iterator[None]:
    """Whatever a store's library raises is a ``WorkspaceError``; only "no such object" stays what it is."""
    try:
        yield
    except (FileNotFoundError, WorkspaceError):
        raise
    except Exception as error:
        raise WorkspaceError(
            f"The store {url} can't be reached ({type(error).__name__}).", "Check its address and your access to it."
        ) from error


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
