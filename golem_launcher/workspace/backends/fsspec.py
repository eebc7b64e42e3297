"""A store in a file system that fsspec reaches: s3, gs, hdfs, sftp, ….

Object stores show an object when it is whole, and refuse to write over one when asked to. Elsewhere an object is
written beside its name and moved there; who creates one moves it in the way that does not replace what is there.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher.workspace.backends import certificates, hdfs
from golem_launcher.workspace.backends.known_hosts import known_hosts_policy
from golem_launcher.workspace.backends.redaction import redacted, redacted_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GOOGLE = {"gs", "gcs"}
_OBJECT_STORES = {"s3", "s3a", "abfs", "abfss", "az", *_GOOGLE}
_SFTP = {"sftp", "ssh"}
_READERS = 16
_PARTIAL = ".part"


class FsspecLocation:
    """Objects are files."""

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - most stores need none of it

        self._url = url
        self._scheme = urlsplit(url).scheme
        if self._scheme not in hdfs.SCHEMES:
            fsspec.get_filesystem_class(self._scheme)  # an error of its own when it is unknown or not installed
        self._moves = self._scheme not in _OBJECT_STORES
        self.readers = 1 if self._moves else _READERS
        self._turn = threading.Lock() if self._moves else contextlib.nullcontext()
        """Held for each use, except of object stores, whose connections are for many threads."""
        self._connected = False
        with self._reaching():
            pass

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """:func:`reached`, by a new connection when the last use of it failed."""
        advice = [hdfs.ADVICE] if self._scheme in hdfs.SCHEMES else []
        with self._turn, redacted_errors(redacted(self._url), *advice):
            if not self._connected:
                self._fs, self._root = self._connect()
                self._connected = True
            try:
                yield
            except FileNotFoundError:
                raise
            except Exception:
                self._connected = False
                raise

    def _connect(self) -> tuple[Any, str]:
        import fsspec  # noqa: PLC0415

        if self._scheme in hdfs.SCHEMES:
            return hdfs.connect(self._url)
        own = certificates.options(self._scheme)
        if self._scheme in _SFTP:  # where fsspec would keep a broken connection for ever
            own = {"host_key_policy": known_hosts_policy(), "skip_instance_cache": True}
        found: tuple[Any, str] = fsspec.core.url_to_fs(self._url, **own)
        return found

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file, or a part of them."""
        with self._reaching():
            end = None if length is None else start + length
            return bytes(self._fs.cat_file(self._path(name), start=start or None, end=end))

    def establish(self) -> None:
        """Nothing to do: it is made with its first file."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write over what is there, whole or not at all."""
        path = self._path(name)
        with self._reaching():
            if self._moves:
                with self._partial(path, pieces) as partial:
                    self._fs.mv(partial, path)
            else:
                self._put_object(path, b"".join(pieces), mode="overwrite")

    def create(self, name: str, pieces: Iterable[bytes]) -> bool:
        """Of two who do it at once, one gets the name."""
        path = self._path(name)
        with self._reaching():
            self._fs.invalidate_cache()
            if self._fs.exists(path):
                return False
            if self._moves:
                with self._partial(path, pieces) as partial:
                    claimed = self._claim(partial, path)
                    if not claimed:
                        self._fs.rm_file(partial)
                    return claimed
            try:
                self._put_object(path, b"".join(pieces), mode="create")
            except FileExistsError:
                return False
            return True

    def _put_object(self, path: str, data: bytes, *, mode: str) -> None:
        """The whole of it at one go.

        gcsfs sends a small object as a part of a body, and ends it by a line feed alone: a carriage return before
        that is taken for half of the delimiter. A chunk of its own has none.
        """
        whole = {"chunksize": len(data)} if self._scheme in _GOOGLE and data.endswith(b"\r") else {}
        self._fs.pipe_file(path, data, mode=mode, **whole)

    def _claim(self, partial: str, path: str) -> bool:
        """Move without replacing; whether that worked."""
        if self._scheme in hdfs.SCHEMES:
            return bool(self._fs.claim(partial, path))
        if self._scheme in _SFTP:  # fsspec's own way of moving there replaces
            try:
                self._fs.ftp.rename(partial, path)
            except OSError:
                if self._fs.exists(path):
                    return False
                raise
            return True
        self._fs.mv(partial, path)  # the look came shortly before; most of these know no better
        return True

    @contextlib.contextmanager
    def _partial(self, path: str, pieces: Iterable[bytes]) -> Iterator[str]:
        """The data beside its name, under one of its own; gone when something goes wrong."""
        partial = f"{path}.{secrets.token_hex(4)}{_PARTIAL}"
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            self._fs.pipe_file(partial, b"".join(pieces))
            yield partial
        except BaseException:
            with contextlib.suppress(Exception):  # there is no way there: it does no harm
                self._fs.rm_file(partial)
            raise

    def names(self, prefix: str) -> list[str]:
        """The files below a directory, partial files left out."""
        top = self._path(prefix).rstrip("/")
        with self._reaching():
            self._fs.invalidate_cache()
            try:
                found = list(self._below(top)) if self._moves else self._fs.find(top + "/")
            except FileNotFoundError:
                return []
        start = len(self._root.rstrip("/")) + 1
        return sorted(path[start:] for path in found if not path.endswith(_PARTIAL))

    def _below(self, directory: str) -> Iterator[str]:
        """All files. fsspec's own ``find`` takes a directory that it can't read for an empty one: fatal here."""
        for each in self._fs.ls(directory, detail=True):
            path = f"{directory}/{each['name'].rstrip('/').rpartition('/')[2]}"
            if each["type"] == "directory":
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    yield from self._below(path)
            else:
                yield path

    def delete(self, name: str) -> None:
        """Remove a file."""
        with self._reaching(), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))
