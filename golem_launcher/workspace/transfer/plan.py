"""Parses a provider's list of its workspace as it comes in; nothing in it is trusted.

The lines are those of :mod:`golem_launcher.agent.workspace.wire`. A line that describes something which can't be saved
is put aside with the reason; a stream that our agent would never send ends it all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from golem_launcher.agent.workspace.wire import Lines, WireError
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository.environment import read_environment
from golem_launcher.workspace.repository.manifest import (
    LONGEST_PATH,
    MOST_ENTRIES,
    MOST_LEFT_OUT,
    Entry,
    Environment,
    fault,
)
from golem_launcher.workspace.transfer.responses import are_pairs

LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of lines: half a million chunks or files."""
_LONGEST_NAME = 100
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
    changed: dict[str, Entry] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
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


class PlanReader:
    """Feed it what arrives; :meth:`end` gives the plan. Raises ``WorkspaceError``; holds ``most`` bytes of lines."""

    def __init__(self, most: int = LARGEST_LIST) -> None:
        self._lines = Lines(most)
        self._plan: Plan | None = None
        self._count = 0
        self._ended = False
        self._fresh: list[Entry] = []

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        try:
            for line in self._lines.feed(data):
                self._take(line)
        except WireError as error:
            raise _refused(str(error)) from None

    def fresh(self) -> list[Entry]:
        """The entries that came in since this was asked for the last time."""
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
                plan.removed.add(path)
                plan.changed.pop(path, None)
            case [str(kind), str(path), int(mode), int(mtime), *more]:
                plan.removed.discard(path)
                plan.refused.pop(path, None)
                entry = _described(kind, path, mode & _PERMISSIONS, mtime, more)
                if reason := fault(entry):
                    plan.changed.pop(path, None)
                    plan.removed.add(path)  # what was there under this name is no longer what it was
                    plan.refused[path] = reason
                else:
                    plan.changed[path] = entry
                    self._fresh.append(entry)
            case _:
                raise _refused("a line describes nothing")
        self._count += 1
        # All there may be, and all there may have been.
        if len(plan.changed) + len(plan.refused) > MOST_ENTRIES or self._count > 2 * MOST_ENTRIES:
            raise _refused("it has too many files")

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
