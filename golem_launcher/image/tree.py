"""An image's root file system under construction, with modes and owners that the local disk need not support.

A path is relative to the root and has no slash at its ends; the root is the empty one.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from golem_launcher.errors import ImageError
from golem_launcher.image.file_contents import EMPTY, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from golem_launcher.image.file_contents import FileContents

_MOST_LINKS: Final = 40


@dataclass(frozen=True)
class Inode:
    """One file, directory or symbolic link."""

    mode: int
    """As ``stat`` has it: type and permissions."""
    uid: int = 0
    gid: int = 0
    target: str = ""
    """Where a symbolic link leads."""
    content: Span = EMPTY

    @property
    def is_directory(self) -> bool:
        """Whether it holds others."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it has a content."""
        return stat.S_ISREG(self.mode)


def directory(mode: int = 0o755, *, uid: int = 0, gid: int = 0) -> Inode:
    """A directory with these permissions."""
    return Inode(stat.S_IFDIR | mode, uid, gid)


def link(target: str) -> Inode:
    """A symbolic link."""
    return Inode(stat.S_IFLNK | 0o777, target=target)


def file(content: Span, mode: int = 0o644, *, uid: int = 0, gid: int = 0) -> Inode:
    """A file with these permissions."""
    return Inode(stat.S_IFREG | mode, uid, gid, content=content)


class ImageTree:
    """What lies where. A path that leads through a symbolic link is followed, as a kernel would, inside the root."""

    def __init__(self, contents: FileContents) -> None:
        self.contents = contents
        self._entries: dict[str, Inode] = {"": directory()}

    def put(self, path: str, inode: Inode) -> None:
        """Put an inode at a path, in place of what is there.

        A directory keeps its content; a link to one counts as one.
        """
        path = self.resolved(path, last=inode.is_directory)
        before = self._entries.get(path)
        if before is not None and before.is_directory and not inode.is_directory:
            raise ImageError(f"Two packages disagree on what /{path} is.")
        self._parents(path)
        self._entries[path] = inode

    def write(self, path: str, content: str | bytes, mode: int = 0o644, *, gid: int = 0) -> None:
        """Put a file with this content at a path."""
        span = self.contents.add(content.encode() if isinstance(content, str) else content)
        self.put(path, file(span, mode, gid=gid))

    def read(self, path: str) -> bytes:
        """The content of a file. Raises ``ImageError`` when there is none."""
        inode = self._entries.get(self.resolved(path))
        if inode is None or not inode.is_file:
            raise ImageError(f"The packages bring no /{path}.")
        return self.contents.read(inode.content)

    def get(self, path: str) -> Inode | None:
        """The inode at a path; of a link the link itself."""
        return self._entries.get(self.resolved(path, last=False))

    def drop(self, unwanted: Callable[[str, Inode], bool]) -> None:
        """Remove the paths that are not wanted, directories with all that is in them."""
        gone = {path for path, inode in self._entries.items() if path and unwanted(path, inode)}
        self._entries = {
            path: inode for path, inode in self._entries.items() if not any(above in gone for above in _line(path))
        }

    def resolved(self, path: str, *, last: bool = True) -> str:
        """The path that this one leads to, by way of links; ``last``: also when it is itself a link.

        Raises ``ImageError`` for one that leads out of the root, or nowhere in a circle.
        """
        left = [part for part in path.split("/") if part not in {"", "."}][::-1]
        found: list[str] = []
        links = 0
        while left:
            part = left.pop()
            if part == "..":
                del found[-1:]
                continue
            found.append(part)
            inode = self._entries.get("/".join(found))
            if inode is None or not inode.is_link or (not left and not last):
                continue
            links += 1
            if links > _MOST_LINKS:
                raise ImageError(f"/{path} leads in a circle.")
            del found[-1:]
            if inode.target.startswith("/"):
                found.clear()
            left += [part for part in inode.target.split("/") if part not in {"", "."}][::-1]
        return "/".join(found)

    def __iter__(self) -> Iterator[tuple[str, Inode]]:
        """All that there is, each directory before what it holds."""
        return iter(
            sorted(self._entries.items(), key=lambda item: item[0].encode(errors="surrogateescape").split(b"/"))
        )

    def __len__(self) -> int:
        return len(self._entries)

    def _parents(self, path: str) -> None:
        while path:
            path = path.rpartition("/")[0]
            if path in self._entries:
                if not self._entries[path].is_directory:
                    raise ImageError(f"Two packages disagree on what /{path} is.")
                return
            self._entries[path] = directory()


def _line(path: str) -> Iterator[str]:
    """The path and all above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]
