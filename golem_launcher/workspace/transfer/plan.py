"""Parses a provider's list of its workspace as it comes in; nothing in it is trusted.

The lines are those of :mod:`golem_launcher.agent.workspace.wire`. A line that describes something which can't be saved
is put aside with the reason; a stream that our agent would never send ends it all.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.workspace.wire import Lines, WireError
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import record
from golem_launcher.workspace.repository.entries import MOST_ENTRIES, Entries, find
from golem_launcher.workspace.repository.entry import LONGEST_PATH, Entry, fault, fault_of_path
from golem_launcher.workspace.repository.environment import read_environment
from golem_launcher.workspace.repository.manifest import MOST_LEFT_OUT, Environment
from golem_launcher.workspace.transfer.responses import are_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of lines: half a million chunks or files."""
_LONGEST_NAME = 100
_RUN = 4096
"""Records that are sorted at once: all of them together would take twice the memory meanwhile."""
_TOO_MANY = "it has too many files"
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
class Plan:
    """What changed in a workspace since the plan ``base``; since ever when that is ``None``."""

    name: str
    base: str | None
    changes: list[bytes] = field(default_factory=list)
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
    """What to tell at the next plan, so that the packages are not sent again."""

    def tells_of(self, path: str) -> bool:
        """Whether it says anything of what is at this path."""
        if fault_of_path(path):
            return path in self.forgotten
        return find(self.changes, record.key_of(path)) is not None


class PlanReader:
    """Feed it what arrives; :meth:`end` gives the plan. Raises ``WorkspaceError``; holds ``most`` bytes of lines.

    Of a record that is ``known`` already there is no second one: a list that is told anew takes no more than its order.
    """

    def __init__(self, most: int = LARGEST_LIST, known: Entries | None = None) -> None:
        self._lines = Lines(most)
        self._known = known or Entries()
        self._plan: Plan | None = None
        self._count = 0
        self._ended = False
        self._fresh: list[bytes] = []
        self._run: list[bytes] = []
        """Records as they come in."""
        self._runs: list[list[bytes]] = []
        """Those before, each sorted."""

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        try:
            for line in self._lines.feed(data):
                self._take(line)
        except WireError as error:
            raise _refused(str(error)) from None

    def fresh(self) -> list[bytes]:
        """The records of entries that came in since this was asked for the last time."""
        found, self._fresh = self._fresh, []
        return found

    def end(self) -> Plan:
        """The whole of it."""
        try:
            self._lines.end()
        except WireError as error:
            raise _refused(str(error)) from None
        if self._plan is None or not self._ended:
            raise _refused("it ended too early")
        self._runs.append(self._sorted(self._run))
        self._plan.changes = list(_last_of_each(heapq.merge(*self._runs, key=record.key)))
        self._runs, self._run, self._fresh = [], [], []
        if sum(not record.is_gone(each) for each in self._plan.changes) + len(self._plan.refused) > MOST_ENTRIES:
            raise _refused(_TOO_MANY)
        return self._plan

    def _take(self, line: Any) -> None:
        if self._ended:
            raise _refused("it goes on after its end")
        if self._plan is None:
            self._plan = _head(line)
        elif isinstance(line, dict):
            self._finish(self._plan, line)
        elif isinstance(line, list):
            self._entry(self._plan, line)
        else:
            raise _refused("a line is neither")

    def _entry(self, plan: Plan, line: list[Any]) -> None:
        match line:
            case ["-", str(path)]:
                self._gone(plan, path)
            case [str(kind), str(path), int(mode), int(mtime), *more]:
                plan.refused.pop(path, None)
                entry = _described(kind, path, mode & _PERMISSIONS, mtime, more)
                if reason := fault(entry):
                    self._gone(plan, path)  # what was there under this name is no longer what it was
                    plan.refused[path] = reason
                else:
                    each = record.pack(entry)
                    before = self._known.find(record.key(each))
                    self._run.append(before if before is not None and before == each else each)
                    self._fresh.append(self._run[-1])
            case _:
                raise _refused("a line describes nothing")
        self._count += 1
        if self._count > 2 * MOST_ENTRIES:  # all there may be, and all there may have been
            raise _refused(_TOO_MANY)
        if len(self._run) >= _RUN:
            self._runs.append(self._sorted(self._run))
            self._run = []

    def _gone(self, plan: Plan, path: str) -> None:
        if fault_of_path(path):
            plan.forgotten.add(path)
        else:
            self._run.append(record.gone(path))

    def _sorted(self, run: list[bytes]) -> list[bytes]:
        return list(_last_of_each(sorted(run, key=record.key)))

    def _finish(self, plan: Plan, line: dict[str, Any]) -> None:
        entries, notes, state = line.get("entries"), line.get("notes"), line.get("state")
        if line.get("end") is not True or not isinstance(entries, int) or not isinstance(notes, list):
            raise _refused("its end is missing")
        plan.entries = entries
        for note in notes[:MOST_LEFT_OUT]:
            match note:
                case [str(kind), str(path)] if kind in NOTES:
                    plan.notes[path[:LONGEST_PATH]] = NOTES[kind]
        plan.environment = read_environment(line.get("environment"))
        plan.state = state[:_LONGEST_NAME] if isinstance(state, str) else ""
        self._ended = True


def _last_of_each(records: Iterable[bytes]) -> Iterator[bytes]:
    """Of the sorted records of one path the last: what was told of it last."""
    last: bytes | None = None
    for each in records:
        if last is not None and not each.startswith(record.key(last)):
            yield last
        last = each
    if last is not None:
        yield last


def _head(line: Any) -> Plan:
    match line:
        case {"plan": str(name), "base": None | str() as base} if 0 < len(name) <= _LONGEST_NAME:
            return Plan(name, base)
    raise _refused("its beginning is missing")


def _described(kind: str, path: str, mode: int, mtime: int, more: list[Any]) -> Entry:
    mtime = max(-_LATEST, min(mtime, _LATEST))
    match kind, more:
        case "d", []:
            return Entry(path, "directory", mode, mtime)
        case "f", [int(size), list(chunks)]:
            return Entry(path, "file", mode, mtime, size, tuple(chunks))
        case "f", [int(size), list(chunks), list(holes)] if are_pairs(holes):
            return Entry(path, "file", mode, mtime, size, tuple(chunks), holes=tuple((at, of) for at, of in holes))
        case "l", [str(target)]:
            return Entry(path, "link", mode, mtime, target=target)
    raise _refused("an entry is of no known kind")


def _refused(reason: str) -> WorkspaceError:
    return WorkspaceError(f"{_NONSENSE[:-1]} ({reason}).", "Nothing of it was saved; what was saved before is safe.")
