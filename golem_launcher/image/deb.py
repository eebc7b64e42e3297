"""Reads Debian packages in plain Python: the files as dpkg would unpack them, and the metadata."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import zstandard

from golem_launcher.errors import ImageError
from golem_launcher.image.tree import directory, file, link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.image.tree import ImageTree, Inode

_MAGIC: Final = b"!<arch>\n"
_HEADER: Final = 60
_LARGEST_CONTROL: Final = 64 * 1024 * 1024
_OPENERS: Final[dict[str, Callable[[IO[bytes]], Any]]] = {
    "xz": lzma.open,
    "gz": gzip.open,
    "zst": lambda part: zstandard.ZstdDecompressor().stream_reader(part),
}


@dataclass(frozen=True)
class Deb:
    """What a package says of itself."""

    control: dict[str, bytes]
    """Its control files (``control``, ``md5sums``, ``postinst``, …) by name."""
    paths: tuple[str, ...]
    """All that it laid into the tree, as dpkg lists it."""


def unpack(path: Path, tree: ImageTree) -> Deb:
    """Lay a package's files into the tree; none of its scripts runs. Blocking. Raises ``ImageError``."""
    control: dict[str, bytes] = {}
    paths: list[str] = []
    try:
        with path.open("rb") as package:
            for name, part in _parts(package):
                kind, _, packing = name.partition(".tar.")
                if kind not in {"control", "data"}:
                    continue
                with _OPENERS[packing](part) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
                    if kind == "control":
                        control = dict(_control(archive))
                    else:
                        paths += _lay(archive, tree)
    except (OSError, EOFError, KeyError, ValueError, lzma.LZMAError, tarfile.TarError, zstandard.ZstdError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not the package's
            raise
        raise ImageError(f"{path.name} is no package of Debian's: {error}.") from error
    if "control" not in control or not paths:
        raise ImageError(f"{path.name} is no package of Debian's: parts of it are missing.")
    return Deb(control, tuple(paths))


def _parts(package: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """The members of an ``ar`` archive."""
    if package.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as one")
    while header := package.read(_HEADER):
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        yield name, io.BytesIO(package.read(size))
        package.seek(size % 2, os.SEEK_CUR)


def _control(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        source = archive.extractfile(member) if member.isfile() and member.size < _LARGEST_CONTROL else None
        if source is not None:
            yield member.name.removeprefix("./"), source.read()


def _lay(archive: tarfile.TarFile, tree: ImageTree) -> Iterator[str]:
    for member in archive:
        path = member.name.removeprefix("./").strip("/")
        if path:
            tree.put(path, _entry(archive, member, tree))
        yield f"/{path}" if path not in {"", "."} else "/."


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: ImageTree) -> Inode:
    mode = stat.S_IMODE(member.mode)
    if member.isdir():
        return directory(mode, uid=member.uid, gid=member.gid)
    if member.issym():
        return link(member.linkname)
    if member.islnk():
        first = tree.get(member.linkname.removeprefix("./"))
        if first is None:
            raise ImageError(f"{member.name} is a second name of a file that is not there.")
        return first
    source = archive.extractfile(member) if member.isfile() else None
    if source is None:
        raise ImageError(f"{member.name} is neither a file nor a directory.")
    return file(tree.contents.add_from(source), mode, uid=member.uid, gid=member.gid)
