"""Parses a provider's list of its workspace as it comes in; nothing in it is trusted.

The lines are those of :mod:`golem_launcher.agent.workspace.wire`. A line that describes something which can't be saved
is put aside with the reason; a stream that our agent would never send ends it all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.workspace.wire import Lines, WireError
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES
from golem_launcher.workspace.repository.entries import MOST_ENTRIES
from golem_launcher.workspace.repository.entry import LONGEST_PATH, NO_SENSE, Entry, fault, fault_of_path
from golem_launcher.workspace.repository.entry_records import Records, Sorter
from golem_launcher.workspace.repository.manifest import MOST_LEFT_OUT, Environment
from golem_launcher.workspace.repository.package_lists import read_environment
from golem_launcher.workspace.transfer.omissions import MOST_NAMES, size_of
from golem_launcher.workspace.transfer.responses import are_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of lines: 200,000 files of 600,000 chunks."""
MOST_CHUNKS = 700_000
"""Of all files; agents tell of 600,000."""
_LARGEST_VALUE = 16 * 1024 * 1024
"""Of memory, for one value of the list: a file of 37 GiB has 400,000 ids."""
_BITE = 4096
"""Bytes that are unpacked at once: they may become a thousand times as many."""
_MOST_FRESH = 2 * 1024 * 1024
_LONGEST_NAME = 100
_IDS = re.compile(r"(?:[0-9a-f]{64})+")
TOO_MANY = "it has too many files"
TOO_LARGE = "its files are too large"
_TOO_MANY_NAMES = "it has too many odd names"
_PERMISSIONS = 0o777
_LATEST = (1 << 63) - 1
"""Nanoseconds: the year 2262. Later and, on the other side, earlier dates can't be written everywhere."""
BUSY = "it was being written"
LARGE = "it is large, and still being read"
_NONSENSE = "The provider's list of files makes no sense."
NOTES = {
    "busy": BUSY,
    "unreadable": "it can't be read",
    "large": LARGE,
    "too much": "there is more than can be saved",
    "long name": "its path is too long",
    "too deep": "it lies too deep",
    "too many files": "there are too many files",
}
"""What an agent may say of a path, and how it is said to a person."""


@dataclass
class ChangeList:
    """What changed in a workspace since the list ``base``; all of the workspace when that is ``None``."""

    name: str
    base: str | None
    changes: Records = field(default_factory=Records)
    """Records, sorted, of what is another than before or there no longer; one of a path at most."""
    forgotten: set[str] = field(default_factory=set)
    """What is there no longer, of what could not be saved for its path."""
    refused: dict[str, str] = field(default_factory=dict)
    """Paths of what changed to something that can't be saved, and why."""
    notes: dict[str, str] = field(default_factory=dict)
    """What the provider itself could not read, or not for sure, and why."""
    entries: int = 0
    """How many there are in all, as the provider counts."""
    environment: Environment | None = None
    """The packages; ``None``: those of before."""
    state: str = ""
    """What to tell at the next list, so that the packages are not sent again."""

    def tells_of(self, path: str) -> bool:
        """Whether it says anything of what is at this path."""
        if fault_of_path(path):
            return path in self.forgotten
        return self.changes.find(entry_record.key_of(path)) is not None


class ChangeListReader:
    """Feed it what arrives; :meth:`end` gives the listed. Raises ``WorkspaceError``; takes ``most`` bytes of lines."""

    def __init__(self, most: int = LARGEST_LIST) -> None:
        self._lines = Lines(most, _LARGEST_VALUE, _as_held)
        self._list: ChangeList | None = None
        self._count = self._chunks = 0
        self._room = MOST_NAMES
        self._ended = False
        self._fresh: list[bytes] = []
        self._fresh_bytes = 0
        self._found = Sorter()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the list."""
        try:
            for at in range(0, len(data), _BITE):
                for line in self._lines.feed(data[at : at + _BITE]):
                    self._take(line)
        except WireError as error:
            raise refused(str(error)) from None

    def fresh(self) -> list[bytes]:
        """Records of entries that came in since this was asked for the last time: the first, when they are many."""
        found, self._fresh, self._fresh_bytes = self._fresh, [], 0
        return found

    def end(self) -> ChangeList:
        """The list, once all of it has come."""
        try:
            self._lines.end()
        except WireError as error:
            raise refused(str(error)) from None
        if self._list is None or not self._ended:
            raise refused("it ended too early")
        self._list.changes = Records(_last_of_each(self._found.merged()))
        if sum(not entry_record.is_gone(each) for each in self._list.changes) + len(self._list.refused) > MOST_ENTRIES:
            raise refused(TOO_MANY)
        return self._list

    def _take(self, line: Any) -> None:
        if self._ended:
            raise refused("it goes on after its end")
        if self._list is None:
            self._list = _head(line)
        elif isinstance(line, dict):
            self._finish(self._list, line)
        elif isinstance(line, list):
            self._entry(self._list, line)
        else:
            raise refused("a line is neither")

    def _entry(self, listed: ChangeList, line: list[Any]) -> None:
        match line:
            case ["-", str(path)]:
                self._gone(listed, path)
            case [str(kind), str(path), int(mode), int(mtime), *more]:
                listed.refused.pop(path, None)
                entry, ids = _described(kind, path, mode & _PERMISSIONS, mtime, more)
                if reason := fault(entry, len(ids) // ID_BYTES) if ids is not None else NO_SENSE:
                    self._gone(listed, path)  # what was there under this name is no longer what it was
                    self._name(path)
                    listed.refused[path] = reason
                else:
                    each = entry_record.pack(entry, ids)
                    del ids  # of a large file they are many
                    self._there(each)
            case _:
                raise refused("a line describes nothing")
        self._count += 1
        if self._count > 2 * MOST_ENTRIES:  # all there may be, and all there may have been
            raise refused(TOO_MANY)

    def _there(self, each: bytes) -> None:
        self._chunks += entry_record.chunks(each)
        if self._chunks > MOST_CHUNKS:
            raise refused(TOO_LARGE)
        self._found.add(each)
        if self._fresh_bytes < _MOST_FRESH:
            self._fresh.append(each)
            self._fresh_bytes += len(each)

    def _gone(self, listed: ChangeList, path: str) -> None:
        if fault_of_path(path):
            self._name(path)
            listed.forgotten.add(path)
        else:
            self._found.add(entry_record.gone(path))

    def _name(self, path: str) -> None:
        """There is one path more that can't be saved."""
        self._room -= size_of(path)
        if self._room < 0:
            raise refused(_TOO_MANY_NAMES)

    def _finish(self, listed: ChangeList, line: dict[str, Any]) -> None:
        entries, notes, state = line.get("entries"), line.get("notes"), line.get("state")
        if line.get("end") is not True or not isinstance(entries, int) or not isinstance(notes, list):
            raise refused("its end is missing")
        listed.entries = entries
        for note in notes[:MOST_LEFT_OUT]:
            match note:
                case [str(kind), str(path)] if kind in NOTES and self._room > 0:
                    listed.notes[path[:LONGEST_PATH]] = NOTES[kind]
                    self._room -= size_of(path[:LONGEST_PATH])
        listed.environment = read_environment(line.get("environment"))
        listed.state = state[:_LONGEST_NAME] if isinstance(state, str) else ""
        self._ended = True


def _last_of_each(records: Iterable[bytes]) -> Iterator[bytes]:
    """Of the sorted records of one path the last: what was told of it last."""
    last: bytes | None = None
    for each in records:
        if last is not None and not each.startswith(entry_record.key(last)):
            yield last
        last = each
    if last is not None:
        yield last


def _head(line: Any) -> ChangeList:
    match line:
        case {"list": str(name), "base": None | str() as base} if 0 < len(name) <= _LONGEST_NAME:
            return ChangeList(name, base)
    raise refused("its beginning is missing")


def _described(kind: str, path: str, mode: int, mtime: int, more: list[Any]) -> tuple[Entry, bytearray | None]:
    """The entry without its chunks, and the ids of these; ``None`` when some are none."""
    mtime = max(-_LATEST, min(mtime, _LATEST))
    match kind, more:
        case "d", []:
            return Entry(path, "directory", mode, mtime), bytearray()
        case "f", [int(size), list(chunks)]:
            return Entry(path, "file", mode, mtime, size), _joined(chunks)
        case "f", [int(size), list(chunks), list(holes)] if are_pairs(holes):
            own = tuple((at, of) for at, of in holes)
            return Entry(path, "file", mode, mtime, size, holes=own), _joined(chunks)
        case "l", [str(target)]:
            return Entry(path, "link", mode, mtime, target=target), bytearray()
    raise refused("an entry is of no known kind")


def _as_held(text: str) -> str | bytes:
    """Ids in half the memory; any other text as it is."""
    return bytes.fromhex(text) if _IDS.fullmatch(text) else text


def _joined(chunks: list[Any]) -> bytearray | None:
    """The ids of chunks, one behind the other; ``None`` when some are none. They are taken out of the list."""
    ids = bytearray()
    chunks.reverse()
    while chunks:
        each = chunks.pop()
        held = _as_held(each) if isinstance(each, str) else each
        if not isinstance(held, bytes):
            return None
        ids += held
    return ids


def refused(reason: str) -> WorkspaceError:
    """The error for a list that no agent of ours would send."""
    return WorkspaceError(f"{_NONSENSE[:-1]} ({reason}).", "Nothing of it was saved; what was saved before is safe.")
