"""What a store asks of the place where it lies, and which backend serves which address.

A location keeps small immutable objects under names like ``packs/ab12``; what it has written stays written. There are
three: a directory of this computer, whatever fsspec reaches (s3, gs, hdfs, sftp, …), and Redis.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from golem_launcher import paths
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.backends.fsspec import FsspecLocation
from golem_launcher.workspace.backends.redis import RedisLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "sftp": "paramiko", "hdfs": "requests", "redis": "redis"}
"""What has to be installed for a kind of store."""
_REDIS = {"redis", "rediss", "unix"}


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

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep an object, of its pieces; whole or not at all, and there after a power cut."""
        ...

    def create(self, name: str, pieces: Iterable[bytes]) -> bool:
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
        return DirectoryLocation(paths.private_directory(paths.home() / "workspaces"))
    scheme = urlsplit(url).scheme
    if "://" not in url or scheme == "file":
        return DirectoryLocation(Path(url.removeprefix("file://")).expanduser().absolute())
    with _installed(scheme):
        return RedisLocation(url) if scheme in _REDIS else FsspecLocation(url)


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
