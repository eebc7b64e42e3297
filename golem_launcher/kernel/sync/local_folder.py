"""The folder of this computer: what is in it, and writing to it. Follows no link, and writes over nothing unseen.

Blocking. What has no plain name, is hidden or no file of its own is left out, on this side as on the other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import secrets
import shutil
import stat
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher import files
from golem_launcher.agent.workspace.ignore import FILE as IGNORE_FILE
from golem_launcher.agent.workspace.ignore import LARGEST_FILE, defaults
from golem_launcher.agent.workspace.open_beneath import directory as opened_directory
from golem_launcher.agent.workspace.open_beneath import parent
from golem_launcher.kernel.sync.merge import Version
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from golem_launcher.agent.workspace.ignore import IgnoreRules

TRASH = ".golem-trash"
"""In the folder, by the time of each removal; hidden, so it is on this side alone."""
MOST_FILES = 20_000
DEEPEST = 40
LEFT_FREE = 1024**3
"""So much of the disk stays free."""
_LONGEST_PART = 200
"""Bytes of a name: partial files and second names are longer."""
_PIECE = 1024 * 1024
_NO_PROGRAM = 0o666
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Stamp = tuple[int, int, int]
"""Inode, size and time of change: another content has another one."""


class TooManyFiles(Exception):  # noqa: N818 - reads as what it says
    """More than a project has."""


@dataclass(frozen=True)
class File:
    """A file as it was looked at."""

    version: Version
    stamp: Stamp

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stamp[1]


@dataclass
class Scan:
    """All files of the folder, by their paths with slashes, and what is left out, with the reason."""

    files: dict[str, File] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def fault_of_name(name: str) -> str:
    """Why a file of this name, one part of a path, is on one side alone; empty when it isn't."""
    if name.startswith("."):
        return "hidden"
    if "/" in name or "\\" in name or not name.isprintable() or len(name.encode(errors="replace")) > _LONGEST_PART:
        return "its name is not one for every computer"
    return ""


class Folder:
    """The folder at ``path``, which is opened once: that another one takes its name changes nothing."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError``."""
        self.path = path
        self._top = os.open(path, _FOLDER)
        weakref.finalize(self, os.close, self._top)  # not before the last thread that is at work in it has ended

    @property
    def free(self) -> int:
        """Bytes that may be written before the disk is nearly full."""
        return shutil.disk_usage(self._top).free - LEFT_FREE

    def stamps(self) -> frozenset[tuple[str, Stamp]]:
        """All files as they are, without reading them. Raises ``TooManyFiles`` and ``OSError``."""
        return frozenset((path, _stamp(found)) for path, found in self._walk(Scan()))

    def scan(self, known: Mapping[str, File]) -> Scan:
        """What is there now. What looks as in ``known`` is not read again. Raises ``TooManyFiles`` and ``OSError``."""
        scan = Scan()
        for path, found in self._walk(scan):
            before = known.get(path)
            if before is not None and before.stamp == _stamp(found):
                scan.files[path] = before
                continue
            try:
                with self.opened(path) as descriptor:
                    content = digest(_pieces(descriptor))
                    same = _stamp(os.fstat(descriptor)) == _stamp(found)
            except OSError as error:
                scan.left_out[path] = f"it can't be read: {error.strerror}"
                continue
            if same:
                scan.files[path] = File(Version(content, found.st_mtime_ns), _stamp(found))
            else:
                scan.left_out[path] = "it is being written"
        return scan

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A file, for reading. Raises ``OSError``, also for a link."""
        with parent(self._top, path) as (above, name):
            descriptor = os.open(name, _READ, dir_fd=above)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def has(self, path: str) -> bool:
        """Whether there is something of this name. Raises ``OSError`` where a link is on the way."""
        try:
            with parent(self._top, path) as (above, name):
                return _exists(name, above)
        except FileNotFoundError:
            return False

    def write(self, path: str, pieces: Iterable[bytes | int], replaces: File | None) -> bool:
        """Write a file whole, or leave all as it is; whether it is: only over the very file that it ``replaces``.

        ``pieces``: a number is a hole. It is no program, whatever it was. Raises ``OSError``, and what they raise.
        """
        with parent(self._top, path, make=True) as (above, name):
            partial = f".{name[:40]}.{secrets.token_hex(4)}"
            descriptor = os.open(partial, _CREATE, 0o644, dir_fd=above)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    for piece in pieces:
                        if isinstance(piece, int):
                            file.seek(piece, os.SEEK_CUR)
                        else:
                            file.write(piece)
                    file.truncate()
                    file.flush()
                    if replaces is not None:
                        with contextlib.suppress(OSError):
                            os.fchmod(file.fileno(), os.stat(name, dir_fd=above).st_mode & _NO_PROGRAM)
                    os.fsync(file.fileno())
                if replaces is None:
                    return files.name_new(partial, name, above)
                return _replace(partial, name, replaces.stamp, above)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=above)

    def trash(self, path: str, expected: File, at: datetime) -> bool:
        """Move a file to the trash; whether it was as expected: else it stays. Raises ``OSError``."""
        with (
            parent(self._top, path) as (above, name),
            parent(self._top, self._free_in_trash(path, at), make=True) as (trash, kept),
        ):
            os.rename(name, kept, src_dir_fd=above, dst_dir_fd=trash)
            if _stamp(os.stat(kept, dir_fd=trash, follow_symlinks=False)) != expected.stamp:
                _put_back(kept, trash, name, above)
                return False
        self._remove_empty(path)
        return True

    def write_to_trash(self, path: str, pieces: Iterable[bytes | int], at: datetime) -> None:
        """Put into the trash what is removed over there. Raises ``OSError``, and whatever the pieces raise."""
        place = self._free_in_trash(path, at)
        if not self.write(place, pieces, None):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), place)

    def _free_in_trash(self, path: str, at: datetime) -> str:
        """Where a file has its place in the trash. What lies there stays: a time of day comes twice, by some clocks."""
        with parent(self._top, f"{TRASH}/.gitignore", make=True) as (above, name), contextlib.suppress(FileExistsError):
            os.close(os.open(name, _CREATE, 0o644, dir_fd=above))
            with os.fdopen(os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=above), "wb") as file:
                file.write(b"*\n")
        moment = f"{TRASH}/{at:%Y-%m-%d %H.%M.%S}"
        places = (f"{moment}{again}/{path}" for again in itertools.chain([""], map(" ({})".format, itertools.count(2))))
        return next(place for place in places if not self.has(place))

    def _remove_empty(self, path: str) -> None:
        """The folders that a file was the last in."""
        while path := path.rpartition("/")[0]:
            try:
                with parent(self._top, path) as (above, name):
                    os.rmdir(name, dir_fd=above)
            except OSError:  # something is in it still
                return

    def _walk(self, scan: Scan) -> Iterator[tuple[str, os.stat_result]]:
        count = 0
        waiting: list[tuple[str, IgnoreRules]] = [("", defaults(LAB.unsaved))]
        while waiting:
            folder, rules = waiting.pop()
            try:
                with opened_directory(self._top, folder or ".") as descriptor:
                    rules = rules.below(f"{folder}/" if folder else "", _ignored_by(descriptor))
                    with os.scandir(descriptor) as listed:
                        entries = [(one.name, one.stat(follow_symlinks=False)) for one in listed]
            except OSError as error:
                scan.left_out[folder] = f"it can't be read: {error.strerror}"
                continue
            for name, found in entries:
                path = f"{folder}/{name}" if folder else name
                is_folder = stat.S_ISDIR(found.st_mode)
                reason = fault_of_name(name)
                if reason == "hidden" or rules.leave_out(name, path, directory=is_folder):
                    continue
                if not reason and not is_folder and not stat.S_ISREG(found.st_mode):
                    reason = "links are not followed" if stat.S_ISLNK(found.st_mode) else "it is no file"
                if not reason and is_folder and path.count("/") >= DEEPEST:
                    reason = "it lies too deep"
                if reason:
                    scan.left_out[path] = reason
                elif is_folder:
                    waiting.append((path, rules))
                else:
                    count += 1
                    if count > MOST_FILES:
                        raise TooManyFiles
                    yield path, found


def digest(pieces: Iterable[bytes | int]) -> str:
    """What names a content; a number among the pieces is so many zeros."""
    made = hashlib.blake2b(digest_size=32)
    zeros = bytes(_PIECE)
    for piece in pieces:
        if isinstance(piece, int):
            left = piece
            while left:
                made.update(zeros[: min(left, _PIECE)])
                left -= min(left, _PIECE)
        else:
            made.update(piece)
    return made.hexdigest()


def _pieces(descriptor: int) -> Iterator[bytes]:
    while data := os.read(descriptor, _PIECE):
        yield data


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _ignored_by(folder: int) -> str:
    """The user's own list of what is not saved, in this folder."""
    try:
        descriptor = os.open(IGNORE_FILE, _READ, dir_fd=folder)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST_FILE).decode(errors="replace")


def _replace(partial: str, name: str, expected: Stamp, above: int) -> bool:
    """Give a partial file the name of another file, if that is as expected: whoever writes to it meanwhile keeps it."""
    aside, linked = f"{partial}.before", True
    try:
        os.link(name, aside, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:  # a file system without hard links
        os.rename(name, aside, src_dir_fd=above, dst_dir_fd=above)
        linked = False
    if _is(aside, expected, above):
        os.replace(partial, name, src_dir_fd=above, dst_dir_fd=above)
        if _is(aside, expected, above):
            os.unlink(aside, dir_fd=above)
            return True
        os.replace(aside, name, src_dir_fd=above, dst_dir_fd=above)
    elif linked:
        os.unlink(aside, dir_fd=above)
    elif not _exists(name, above):
        os.rename(aside, name, src_dir_fd=above, dst_dir_fd=above)
    return False


def _is(name: str, expected: Stamp, above: int) -> bool:
    return _stamp(os.stat(name, dir_fd=above, follow_symlinks=False)) == expected


def _put_back(kept: str, trash: int, name: str, above: int) -> None:
    """Undo a removal, unless somebody wrote another file in its place: then both are there, this one in the trash."""
    with contextlib.suppress(FileExistsError):
        os.link(kept, name, src_dir_fd=trash, dst_dir_fd=above, follow_symlinks=False)
        os.unlink(kept, dir_fd=trash)


def _exists(name: str, above: int) -> bool:
    try:
        os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
