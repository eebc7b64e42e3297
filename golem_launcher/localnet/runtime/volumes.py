"""Container paths, and safe access to the files below them.

A requestor names paths and controls what lies below them, symbolic links included, while its own programs may change
them at any moment. So a path is walked from its volume's directory one component at a time by directory descriptors
(``O_NOFOLLOW``); a link is read and walked in turn, an absolute one from the volumes again. Nothing outside is ever
opened.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from golem_launcher.errors import LocalNetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEFAULT_VOLUMES = ("/golem/work", "/golem/input", "/golem/output", "/golem/run")
ROOT = PurePosixPath("/")
"""The root itself, where a requestor sets the size of the memory that lies over it."""
LOST_AND_FOUND = "lost+found"
"""What a new ext2 has in it."""

_MOST_LINKS = 40
_LONGEST_PATH = 4096
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_mount_point(path: str) -> PurePosixPath:
    """A volume's path as a requestor gave it, made plain; :class:`LocalNetError` where it can't be one."""
    plain = PurePosixPath(os.path.normpath(path))
    if not path.startswith("/") or "\0" in path or ".." in PurePosixPath(path).parts or str(plain) in {"/", "//"}:
        raise LocalNetError(f"{path[:200]!r} can't be a volume: give an absolute path below /.")
    return plain


@dataclass(frozen=True)
class Volume:
    """One volume: a directory of the provider's (``host``), memory, or a disk of its own (``storage``, ext2)."""

    mount: PurePosixPath
    kind: Literal["host", "ram", "storage"] = "host"
    size: int | None = None
    """Bytes, of the latter two."""

    @property
    def is_root(self) -> bool:
        """Whether it only says how much memory lies over the root."""
        return self.mount == ROOT and self.kind == "ram"


COMMON = tuple(Volume(PurePosixPath(path)) for path in DEFAULT_VOLUMES)
"""The volumes of an image that does not say which it has."""


@dataclass(frozen=True)
class Volumes:
    """The volumes of one activity: the container path of each, and the private directory that holds it.

    Transfers see those of the kind ``host`` alone, as exe-units do.
    """

    root: Path
    """A volume ``/a/b`` is the directory ``root/a/b``."""
    all: tuple[Volume, ...] = COMMON

    @property
    def mounts(self) -> tuple[PurePosixPath, ...]:
        """The volumes' paths in the container."""
        return tuple(volume.mount for volume in self.all)

    def create(self) -> None:
        """Make their directories. Raises ``OSError``."""
        self.root.mkdir(parents=True, exist_ok=True)
        for volume in self.all:
            directory = self.directory(volume.mount)
            directory.mkdir(parents=True, exist_ok=True)
            if volume.kind == "storage":
                (directory / LOST_AND_FOUND).mkdir(mode=0o700, exist_ok=True)

    @classmethod
    def of(cls, root: Path, wanted: Iterable[Volume]) -> Volumes:
        """The volumes of an image and those a requestor asks for, which take the place of others at the same path.

        Raises :class:`LocalNetError` for a path that can't be a volume's.
        """
        asked = [replace(each, mount=check_mount_point(str(each.mount))) for each in wanted if not each.is_root]
        found = {volume.mount: volume for volume in asked}
        return cls(root, tuple(found.values()))

    def directory(self, mount: PurePosixPath) -> Path:
        """The private directory of a volume.

        A volume inside another lies apart from it: programs may put a link in the place of its directory there.
        """
        if any(other in mount.parents for other in self.mounts):
            return self.root / ".nested" / hashlib.sha256(str(mount).encode()).hexdigest()[:16]
        return self.root.joinpath(*mount.parts[1:])

    def split(self, path: str) -> tuple[PurePosixPath, list[str]]:
        """The volume of a container path, and the components below it; :class:`LocalNetError` outside of all."""
        if len(path) > _LONGEST_PATH or "\0" in path:
            raise LocalNetError("A path is too long or holds a NUL.")
        plain = PurePosixPath(os.path.normpath("/" + path.lstrip("/")))
        inside = [volume for volume in self.all if volume.mount == plain or volume.mount in plain.parents]
        nearest = max(inside, key=lambda each: len(each.mount.parts), default=None)
        if nearest is None or nearest.kind != "host":
            volumes = ", ".join(str(volume.mount) for volume in self.all if volume.kind == "host")
            raise LocalNetError(
                f"path not found in container: {path[:200]} is in none of the host volumes ({volumes})."
            )
        return nearest.mount, list(plain.relative_to(nearest.mount).parts)

    def path(self, path: str) -> Path:
        """Where a container path is on the host, links resolved; :class:`LocalNetError` when that leads outside.

        For showing and for tests: between this answer and its use a program inside may change the directory.
        """
        with self.parent(path) as (descriptor, name):
            folder = Path(f"/proc/self/fd/{descriptor}").readlink()
        return folder / name if name else folder

    def translate(self, text: str) -> str:
        """``text`` with every container path of a volume replaced by its private directory."""
        return self._pattern().sub(lambda match: str(self.directory(PurePosixPath(match[0]))), text)

    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(map(str, self.mounts), key=len, reverse=True)
        return re.compile(rf"(?<![\w./~-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w.-])")

    def open(self, path: str) -> int:
        """A descriptor of the regular file or directory at ``path``, to read; ``OSError`` or :class:`LocalNetError`."""
        with self.parent(path) as (folder, name):
            # O_NONBLOCK: a pipe put there must not hold us up.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            return os.open(name or ".", flags, dir_fd=folder)

    def place(self, staged: Path, path: str) -> None:
        """Move the file ``staged`` (on the same file system) to ``path``, replacing a file, its directories made."""
        with self.parent(path, create=True) as (folder, name):
            if not name:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            os.rename(staged, name, dst_dir_fd=folder)

    def make_directory(self, path: str) -> None:
        """Make the directory ``path`` and those above it, where they aren't there."""
        with self.parent(path, create=True) as (folder, name):
            if name:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=folder)

    @contextlib.contextmanager
    def parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds ``path``, and the last name ('' for a volume itself)."""
        descriptors: list[int] = []
        try:
            yield self._walk(path, descriptors, create=create)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _walk(self, path: str, descriptors: list[int], *, create: bool) -> tuple[int, str]:
        def enter(name: str | Path, parent: int | None = None) -> int:
            descriptors.append(os.open(name, _DIRECTORY, dir_fd=parent))
            return descriptors[-1]

        links = 0
        mount, waiting = self.split(path)
        stack = [enter(self.directory(mount))]
        while waiting:
            name = waiting.pop(0)
            if name == "..":
                stack.pop()
                if not stack:
                    raise LocalNetError(f"{path[:200]} leads out of its volume.")
                continue
            target = _link_target(name, stack[-1])
            if target is None and not waiting:
                return stack[-1], name
            if target is None:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=stack[-1])
                stack.append(enter(name, stack[-1]))
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            below = [part for part in target.split("/") if part not in {"", "."}]
            if target.startswith("/"):
                mount, below = self.split(self._inside(target))
                stack = [enter(self.directory(mount))]
            waiting = below + waiting
        return stack[-1], ""

    def _inside(self, target: str) -> str:
        """A link's absolute target as a container path: without mounts, programs see the private directory's name."""
        with contextlib.suppress(ValueError):
            return "/" + str(Path(os.path.normpath(target)).relative_to(self.root))
        return target


def _link_target(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOENT}:  # no link, or nothing yet
            return None
        raise
