"""What is in the workspace: walked at each plan, read only where something changed since the last.

A file counts as unchanged while its times, inode, size and mode are. Nothing is followed out of the workspace (each
directory is opened by its name in the one above, never through a link); pipes, sockets and devices are left out.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from . import ignore
from .chunker import Cuts, chunk_id, cut_file
from .copies import Copies
from .entries import Entry, Place, is_plain, line_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entries import Stamp

MOST_ENTRIES = 200_000
"""No store takes more."""
_MOST_DEPTH = 100
_LONGEST_PATH = 4096
_MOST_NOTES = 100
_ATTEMPTS = 3
_RACE_NS = 50_000_000
"""A file that was changed this short a time ago may change again without its times telling."""
_MOST_GONE = 100_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OWN_NAMES = ("pyvenv.cfg", "conda-meta")


class Index:
    """The workspace as it was found at the last walk. One thread at a time."""

    def __init__(self, root: str, scratch: str | None = None) -> None:
        self._root = root
        self._copies = Copies(scratch)
        self._entries: dict[str, Entry] = {}
        self._gone: dict[str, int] = {}
        self._forgotten = 0
        """Walks up to this one are no base for a difference any more."""
        self._places: dict[bytes, Place] = {}
        self._since = 0
        self.version = 1
        self.notes: list[list[str]] = []
        """What is not saved, or not for sure, at the last walk: kind and path."""
        self.environments: list[str] = []
        """Virtual environments seen at the last walk: paths."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def walk(self, since: int) -> Iterator[list[Any]]:
        """Look through the workspace; lines of what is new since the walk ``since`` (0: all there is).

        What a caller that leaves early has not read comes with the next walk from the same base.
        """
        self.version += 1
        self._copies.begin()
        self.notes, self.environments, self.bytes = [], [], 0
        if since < self._forgotten or since >= self.version:
            since = 0
        self._since = since
        try:
            top = os.open(self._root, _DIRECTORY)
        except OSError:
            self._note("unreadable", ".")
            return
        yield from self._directory(top, "", ignore.defaults())
        for path in [path for path, entry in self._entries.items() if entry.seen != self.version]:
            del self._entries[path]
            self._copies.forget(path)
            self._gone[path] = self.version
        if since:
            yield from (["-", path] for path, version in self._gone.items() if version > since)
        if len(self._gone) > _MOST_GONE:
            self._gone.clear()
            self._forgotten = self.version

    def can_tell(self, since: int) -> bool:
        """Whether the difference to the walk ``since`` is known."""
        return max(1, self._forgotten) <= since <= self.version

    def chunk(self, wanted: bytes) -> bytes | None:
        """The bytes of a chunk; None when they are no longer in the workspace.

        What is asked for in vain was changed since the walk: the next one makes a copy of it, for who tries again.
        """
        place = self._places.get(wanted)
        if place is None:
            return None
        data = self._copies.read(place.path, place.size, place.offset)
        if data and chunk_id(data) == wanted:
            return data
        with contextlib.suppress(OSError):
            descriptor = os.open(os.path.join(self._root, place.path), _FILE)
            try:
                data = os.pread(descriptor, place.size, place.offset)
            finally:
                os.close(descriptor)
            if chunk_id(data) == wanted:
                return data
            self._copies.want(place.path)
        return None

    def learn(self, path: str, cuts: Cuts) -> None:
        """A file that was just written from these chunks need not be read again."""
        with contextlib.suppress(OSError):
            status = os.lstat(os.path.join(self._root, path))
            entry = self._put(path, "f", stamp_of(status), self.version)
            entry.cuts, entry.size = cuts, status.st_size
            self._remember(path, cuts)

    def _directory(self, descriptor: int, prefix: str, rules: ignore.Rules) -> Iterator[Any]:
        """Everything in the open directory, which is closed afterwards. ``prefix`` is empty or ends with ``/``."""
        below = []
        try:
            with os.scandir(descriptor) as listing:
                found = list(listing)
            names = {each.name for each in found}
            if ignore.FILE in names:
                rules = rules.below(prefix, _read_rules(descriptor))
            for each in found:
                name = each.name
                path = prefix + name
                try:
                    directory = each.is_dir(follow_symlinks=False)
                    if rules.leave_out(name, path, directory=directory):
                        continue
                    status = each.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                if directory:
                    below.append((name, path, status))
                    continue
                entry = self._entries.get(path)
                if entry is not None and entry.stamp == stamp_of(status):
                    entry.seen = self.version
                    self._copies.forget(path)
                else:
                    entry = self._look(descriptor, name, path, status, entry)
                if entry is not None:
                    self.bytes += entry.size
                    if entry.version > self._since:
                        yield line_of(path, entry)
            for name, path, status in below:
                yield from self._below(descriptor, name, path, status, rules)
        finally:
            os.close(descriptor)

    def _below(self, parent: int, name: str, path: str, status: os.stat_result, rules: ignore.Rules) -> Iterator[Any]:
        if not self._fits(path):
            return
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError:
            self._note("unreadable", path)
            return
        if any(_there(own, descriptor) for own in _OWN_NAMES):
            os.close(descriptor)
            self.environments.append(path)
            return
        if path.count("/") >= _MOST_DEPTH:
            os.close(descriptor)
            self._note("too deep", path)
            return
        stamp = (stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        entry = self._entries.get(path)
        if entry is None or entry.stamp != stamp:
            entry = self._put(path, "d", stamp, self.version)
        entry.seen = self.version
        if entry.version > self._since:
            yield line_of(path, entry)
        yield from self._directory(descriptor, path + "/", rules)

    def _look(self, parent: int, name: str, path: str, status: os.stat_result, before: Entry | None) -> Entry | None:
        """A file or link that is new, or changed."""
        try:
            if stat.S_ISLNK(status.st_mode) and self._fits(path):
                target = os.readlink(name, dir_fd=parent)
                if is_plain(target):
                    entry = self._put(path, "l", stamp_of(status), self.version)
                    entry.target = target
                    return entry
                self._note("name", path)
            elif stat.S_ISREG(status.st_mode) and self._fits(path):
                return self._read(parent, name, path, before)
        except FileNotFoundError:
            pass
        except OSError:
            self._note("unreadable", path)
            if before is not None and before.kind == "f":  # what was saved of it stays saved
                before.seen = self.version
                return before
        return None

    def _read(self, parent: int, name: str, path: str, before: Entry | None) -> Entry:
        copy = self._copies.take(parent, name, path)
        cuts = before.cuts if before is not None else None
        if copy is not None:
            known, after, steady = cut_file(copy.file.read, copy.status.st_size, cuts), copy.status, copy.whole
        else:
            known, after, steady = _cut(parent, name, cuts)
        if not steady:
            self._note("busy", path)
        # A stamp of this very moment says nothing of what is written in the next.
        sure = steady and time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _RACE_NS
        same = (
            before is not None
            and before.kind == "f"
            and before.cuts is not None
            and before.cuts.ids == known.ids
            and before.stamp[:2] == (stat.S_IMODE(after.st_mode), after.st_mtime_ns)
        )
        entry = self._put(path, "f", stamp_of(after), before.version if before is not None and same else self.version)
        entry.seen, entry.cuts, entry.size = self.version, known, sum(known.sizes)
        if not sure:
            entry.stamp = (*entry.stamp[:2], 0)  # of no file: it is read again next time
        self._remember(path, known)
        return entry

    def _remember(self, path: str, cuts: Cuts) -> None:
        offset = 0
        for chunk, size in cuts:
            self._places[chunk] = Place(path, offset, size)
            offset += size
        if len(self._places) > 1000 + 4 * len(self._entries) + self.bytes // 16384:
            self._places = {}
            for each, entry in self._entries.items():
                offset = 0
                for chunk, size in entry.cuts or ():
                    self._places[chunk] = Place(each, offset, size)
                    offset += size

    def _put(self, path: str, kind: str, stamp: Stamp, version: int) -> Entry:
        entry = self._entries[path] = Entry(kind, stamp, version)
        entry.seen = self.version
        self._gone.pop(path, None)
        return entry

    def _fits(self, path: str) -> bool:
        if not is_plain(path):
            self._note("name", path.encode(errors="replace").decode())
            return False
        if len(path) > _LONGEST_PATH:
            self._note("long name", path[:200])
            return False
        if len(self._entries) >= MOST_ENTRIES and path not in self._entries:
            self._note("too many files", path)
            return False
        return True

    def _note(self, kind: str, path: str) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append([kind, path])


def _cut(parent: int, name: str, known: Cuts | None) -> tuple[Cuts, os.stat_result, bool]:
    """A file's chunks, where it stood while it was read, and whether it stood still."""
    descriptor = os.open(name, _FILE, dir_fd=parent)
    try:
        for _ in range(_ATTEMPTS):
            status = os.fstat(descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            known = cut_file(lambda most: os.read(descriptor, most), status.st_size, known)
            after = os.fstat(descriptor)
            steady = stamp_of(status) == stamp_of(after)
            if steady:
                break
    finally:
        os.close(descriptor)
    assert known is not None
    return known, after, steady


def _there(name: str, directory: int) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except OSError:
        return False
    return True


def _read_rules(directory: int) -> str:
    try:
        descriptor = os.open(ignore.FILE, _FILE, dir_fd=directory)
    except OSError:
        return ""
    try:
        return os.read(descriptor, ignore.LARGEST_FILE).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
