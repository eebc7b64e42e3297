"""The index of the workspace: walked for each list of changes, reading only what changed since the last.

A file counts as unchanged while its times, inode, size and mode are. Nothing is followed out of the workspace (each
directory is opened by its name in the one above, never through a link); pipes, sockets and devices are left out.

The small goes before the large: what takes long to read is read last, for some seconds a walk, and goes on with the
next. What can't be read costs nobody else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from . import ignore
from .chunker import Cuts, chunk_id, cut_file, cut_open
from .index_entry import ChunkLocation, IndexEntry, line_of, stamp_of
from .name_escaping import escape
from .open_beneath import opened, parent
from .stable_copies import Copies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .index_entry import Stamp

MOST_ENTRIES = 200_000
"""No store takes more."""
MOST_CHUNKS = 600_000
"""Of all files, 55 GiB or so: the list of them has an end."""
MOST_CHUNKS_OF_A_FILE = 400_000
"""37 GiB or so: the ids of one file are held at once over there."""
_MOST_DEPTH = 100
_LONGEST_PATH = 4000
"""As it travels."""
_MOST_NOTES = 10_000
_MOST_NOTED = 1024 * 1024
"""Characters of their paths."""
_LARGE = 64 * 1024 * 1024
"""A file of which so much has to be read is read after all others, "later"."""
_LATER_SECONDS = 8.0
"""For all of those, in one walk."""
_ATTEMPTS = 3
_RACE_NS = 50_000_000
"""A file that was changed this short a time ago may change again without its times telling."""
_MOST_GONE = 100_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OWN_NAMES = ("pyvenv.cfg", "conda-meta")


class Index:
    """The workspace as it was found at the last walk. One thread at a time.

    ``unsaved``: patterns of what is left out beside the defaults, as in ignore.py.
    """

    def __init__(self, root: str, scratch: str | None = None, unsaved: tuple[str, ...] = ()) -> None:
        self._unsaved = unsaved
        self._root = os.path.abspath(root)
        self._roots = (self._root, os.path.realpath(root))
        """What its own absolute links may begin with."""
        self._copies = Copies(scratch)
        self._entries: dict[str, IndexEntry] = {}
        self._gone: dict[str, int] = {}
        self._forgotten = 0
        """Walks up to this one are no base for a difference any more."""
        self._places: dict[bytes, ChunkLocation] = {}
        self._later: dict[str, int] = {}
        """What of this walk is large, and how much of it there is to read."""
        self._begun: dict[str, tuple[Stamp, Cuts]] = {}
        """What was read so far of large files."""
        self._kept: set[str] = set()
        """What could not be looked at in this walk, and stays as it was."""
        self._chunks = 0
        self._since = 0
        self.version = 1
        self.notes: list[list[str]] = []
        """What is not saved, or not for sure, at the last walk: kind and path."""
        self._noted = 0
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
        self.notes, self.environments, self.bytes, self._chunks = [], [], 0, 0
        self._noted = 0
        self._later, self._kept = {}, set()
        if since < self._forgotten or since >= self.version:
            since = 0
        self._since = since
        try:
            top = os.open(self._root, _DIRECTORY)
        except OSError:
            self._note("unreadable", ".")
            self._keep("")
            yield from (line_of(path, entry) for path, entry in self._entries.items() if entry.version > since)
            return
        yield from self._directory(top, "", ignore.defaults(self._unsaved))
        yield from self._read_later()
        for path in self._kept:
            yield from self._told(path, self._entries[path])
        for path in [path for path, entry in self._entries.items() if entry.seen != self.version]:
            del self._entries[path]
            self._copies.forget(path)
            self._gone[path] = self.version
        if since:
            yield from (["-", escape(path)] for path, version in self._gone.items() if version > since)
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
            with self._top() as top, opened(top, place.path, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
                data = os.pread(descriptor, place.size, place.offset)
            if chunk_id(data) == wanted:
                return data
            self._copies.want(place.path)
        return None

    def learn(self, path: str, cuts: Cuts) -> None:
        """A file that was just written from these chunks need not be read again; the next walk tells of it."""
        with contextlib.suppress(OSError):
            with self._top() as top, parent(top, path) as (above, name):
                status = os.stat(name, dir_fd=above, follow_symlinks=False)
            entry = self._put(path, "f", stamp_of(status), self.version + 1)
            entry.cuts, entry.size = cuts, status.st_size
            self._remember(path, cuts)

    @contextlib.contextmanager
    def _top(self) -> Iterator[int]:
        top = os.open(self._root, _DIRECTORY)
        try:
            yield top
        finally:
            os.close(top)

    def _directory(self, descriptor: int, prefix: str, rules: ignore.IgnoreRules) -> Iterator[Any]:
        """Everything in the open directory, which is closed afterwards. ``prefix`` is empty or ends with ``/``."""
        below = []
        try:
            try:
                with os.scandir(descriptor) as listing:
                    found = list(listing)
            except OSError:  # a damaged disk, say
                self._note("unreadable", prefix.rstrip("/") or ".")
                self._keep(prefix.rstrip("/"))
                return
            names = {each.name for each in found}
            if ignore.FILE in names:
                rules = rules.below(prefix, ignore.read(descriptor))
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
                    yield from self._told(path, entry)
            for name, path, status in below:
                yield from self._below(descriptor, name, path, status, rules)
        finally:
            os.close(descriptor)

    def _told(self, path: str, entry: IndexEntry) -> Iterator[Any]:
        """The line of a file or link that is new."""
        if entry.cuts is not None:
            self.bytes += entry.cuts.data
            many = len(entry.cuts.sizes)
            if many > MOST_CHUNKS_OF_A_FILE or self._chunks + many > MOST_CHUNKS:
                self._note("too much", path)
                entry.seen = 0
                return
            self._chunks += many
        if entry.version > self._since:
            yield line_of(path, entry)

    def _keep(self, directory: str) -> None:
        """What lies in a directory that can't be read now stays as it was."""
        below = directory + "/" if directory else ""
        for path, entry in self._entries.items():
            if path.startswith(below) and entry.seen != self.version:
                entry.seen = self.version
                self._kept.add(path)

    def _below(
        self, parent: int, name: str, path: str, status: os.stat_result, rules: ignore.IgnoreRules
    ) -> Iterator[Any]:
        if not self._fits(path):
            return
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError:
            self._note("unreadable", path)
            self._keep(path)
            own = self._entries.get(path)
            if own is not None and own.seen != self.version:
                own.seen = self.version
                self._kept.add(path)
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

    def _look(
        self, parent: int, name: str, path: str, status: os.stat_result, before: IndexEntry | None
    ) -> IndexEntry | None:
        """A file or link that is new, or changed."""
        try:
            if stat.S_ISLNK(status.st_mode) and self._fits(path):
                entry = self._put(path, "l", stamp_of(status), self.version)
                entry.target = self._from_here(path, os.readlink(name, dir_fd=parent))
                return entry
            if stat.S_ISREG(status.st_mode) and self._fits(path):
                if status.st_blocks * 512 >= _LARGE:
                    self._later[path] = status.st_blocks
                    if before is not None and before.kind == "f":
                        before.seen = self.version
                        self._kept.add(path)
                    return None
                return self._read(parent, name, path, before)
        except FileNotFoundError:
            pass
        except OSError:
            self._note("unreadable", path)
            if before is not None and before.kind == "f":  # what was saved of it stays saved
                before.seen = self.version
                return before
        return None

    def _from_here(self, path: str, target: str) -> str:
        """The target of a link; one that names a place in the workspace by all of its path names it from here."""
        for root in self._roots:
            if target == root or target.startswith(root + "/"):
                return "../" * path.count("/") + (target[len(root) :].strip("/") or ".")
        return target

    def _read_later(self) -> Iterator[Any]:
        """The large files, the least of them first, as far as the time goes."""
        until = time.monotonic() + _LATER_SECONDS
        self._begun = {path: begun for path, begun in self._begun.items() if path in self._later}
        for path in sorted(self._later, key=self._later.__getitem__):
            before, entry = self._entries.get(path), None
            if time.monotonic() < until:
                try:
                    with self._top() as top, parent(top, path) as (above, name):
                        entry = self._read(above, name, path, before, until)
                except FileNotFoundError:
                    self._kept.discard(path)
                    if self._entries.pop(path, None) is not None:
                        self._gone[path] = self.version
                except OSError:
                    self._note("unreadable", path)
            else:
                self._note("large", path)
            if entry is not None:
                self._kept.discard(path)
                yield from self._told(path, entry)

    def _read(
        self, parent: int, name: str, path: str, before: IndexEntry | None, until: float | None = None
    ) -> IndexEntry | None:
        """What is in a file; nothing yet when it is later than ``until``."""
        cuts = before.cuts if before is not None else None
        had = cuts.size if cuts is not None else 0
        copy = self._copies.take(parent, name, path, had)
        if copy is not None:
            known, after, steady = cut_file(copy.file.read, copy.status.st_size, cuts), copy.status, copy.whole
        else:
            begun = self._begun.pop(path, None)
            known, after, steady, whole = self._cut(parent, name, cuts, begun, until)
            if not whole and until is not None and time.monotonic() >= until:
                self._note("large", path)
                if steady:
                    self._begun[path] = stamp_of(after), known
                return None
        if not steady:
            self._note("busy", path)
            if before is not None and had and not known.size:  # it is being written anew
                before.seen = self.version
                return before
        # A stamp of this very moment says nothing of what is written in the next.
        sure = steady and time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _RACE_NS
        same = (
            before is not None
            and before.kind == "f"
            and before.cuts is not None
            and (before.cuts.ids, before.cuts.holes) == (known.ids, known.holes)
            and before.stamp[:2] == (stat.S_IMODE(after.st_mode), after.st_mtime_ns)
        )
        entry = self._put(path, "f", stamp_of(after), before.version if before is not None and same else self.version)
        entry.seen, entry.cuts, entry.size = self.version, known, known.size
        if not sure:
            entry.stamp = (*entry.stamp[:2], 0)  # of no file: it is read again next time
        self._remember(path, known)
        return entry

    def _cut(
        self, parent: int, name: str, known: Cuts | None, begun: tuple[Stamp, Cuts] | None, until: float | None
    ) -> tuple[Cuts, os.stat_result, bool, bool]:
        """A file's chunks, where it stood while it was read, whether it stood still, and whether that is all of it.

        ``known``: how it was cut before. ``begun``: its beginning, and where it stood then.
        """
        had = known.size if known is not None else 0
        descriptor = os.open(name, _FILE, dir_fd=parent)
        try:
            for _ in range(_ATTEMPTS):
                status = os.fstat(descriptor)
                done = begun[1] if begun is not None and begun[0] == stamp_of(status) else None
                cuts, whole = cut_open(descriptor, status.st_size, known, done, until)
                after = os.fstat(descriptor)
                steady = stamp_of(status) == stamp_of(after) and self._copies.stands(descriptor, after, had)
                if steady or (until is not None and time.monotonic() >= until):
                    break
                known = cuts
        finally:
            os.close(descriptor)
        return cuts, after, steady, whole

    def _remember(self, path: str, cuts: Cuts) -> None:
        for offset, chunk, size in cuts.places():
            self._places[chunk] = ChunkLocation(path, offset, size)
        if len(self._places) > 1000 + 4 * len(self._entries) + self.bytes // 16384:
            self._places = {}
            for each, entry in self._entries.items():
                for offset, chunk, size in entry.cuts.places() if entry.cuts is not None else ():
                    self._places[chunk] = ChunkLocation(each, offset, size)

    def _put(self, path: str, kind: str, stamp: Stamp, version: int) -> IndexEntry:
        entry = self._entries[path] = IndexEntry(kind, stamp, version)
        entry.seen = self.version
        self._gone.pop(path, None)
        return entry

    def _fits(self, path: str) -> bool:
        if len(path) > _LONGEST_PATH // 3 and len(escape(path)) > _LONGEST_PATH:
            self._note("long name", path[:200])
            return False
        if len(self._entries) >= MOST_ENTRIES and path not in self._entries:
            self._note("too many files", path)
            return False
        return True

    def _note(self, kind: str, path: str) -> None:
        path = escape(path)
        if len(self.notes) < _MOST_NOTES and self._noted < _MOST_NOTED:
            self.notes.append([kind, path])
            self._noted += len(path)


def _there(name: str, directory: int) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except OSError:
        return False
    return True
