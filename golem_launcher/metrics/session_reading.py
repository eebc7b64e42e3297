"""Reads what session directories say, of each file only what is new: scrapes come every few seconds."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, TypeVar

from golem_launcher.errors import LauncherError
from golem_launcher.events import CostChanged, LeftOut, Message, NotSaved, ProviderLost
from golem_launcher.rental.payment import journal
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from golem_launcher.events import Event
    from golem_launcher.processes import ProcessRecord
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

MOST_ENDED = 50
"""Sessions that are over are told of, the newest ones only."""

_EVENTS = "events.jsonl"
_Stamp = tuple[int, int, int]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Reading:
    """One session at a moment."""

    name: str
    state: SessionState
    alive: bool
    """Whether it has a supervisor that lives; of one that is over, nobody asks."""
    billed: Decimal
    """What its providers' bills come to so far."""
    events: Counter[str]
    """How often each kind of event was told: ``warning``, ``error``, ``lost``, ``not_saved``, ``left_out``."""
    agreements: int
    refusals: int
    """Bills that were not accepted."""

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from an earlier session of its name."""
        return self.name, self.state.created_at.isoformat()


class _Made(Generic[_T]):
    """What was made of a file, until that is another one."""

    def __init__(self) -> None:
        self._of: tuple[_Stamp, _T] | None = None

    def now(self, path: Path, make: Callable[[], _T]) -> _T:
        """The same as before, or made anew; where there is no file, made anew."""
        stamp = _stamp(path)
        if self._of is None or self._of[0] != stamp:
            made = make()
            self._of = None if stamp is None else (stamp, made)
            return made
        return self._of[1]


@dataclass
class _Known:
    """What was read of one session before."""

    state: _Made[SessionState] = field(default_factory=_Made)
    journal: _Made[Journal | None] = field(default_factory=_Made)
    supervisor: _Made[ProcessRecord | None] = field(default_factory=_Made)
    events_stamp: _Stamp | None = None
    offset: int = 0
    events: Counter[str] = field(default_factory=Counter)
    billed: Decimal = Decimal(0)
    reading: Reading | None = None

    def count(self, found: Iterable[Event]) -> None:
        for event in found:
            if isinstance(event, CostChanged):
                self.billed = event.billed
            elif isinstance(event, Message):
                if event.level != "info":
                    self.events[event.level] += 1
            elif isinstance(event, ProviderLost | NotSaved | LeftOut):
                self.events[event.kind] += 1


class Reader:
    """Reads all sessions again and again. Blocking, and for one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Known] = {}
        """By name and inode: a directory that took the place of another is a new session."""

    def read(self) -> list[Reading]:
        """Every session that goes on, and the newest that are over. What vanishes meanwhile is left out.

        A session of which nothing is new has the same reading as before: the same object.
        """
        found: list[Reading] = []
        present: dict[tuple[str, int], _Known] = {}
        ended = 0
        for directory in session_directories():
            with contextlib.suppress(OSError, LauncherError):
                key = directory.name, directory.path.stat().st_ino
                known = present[key] = self._known.get(key) or _Known()
                state = known.state.now(directory.state_file, directory.state)
                ended += state.stage.final
                if not state.stage.final or ended <= MOST_ENDED:
                    found.append(_reading(directory, known, state))
        self._known = present
        return found


def _reading(directory: SessionDirectory, known: _Known, state: SessionState) -> Reading:
    stamp, offset = _stamp(directory.path / _EVENTS), -1
    while stamp != known.events_stamp and known.offset != offset:  # a file of many megabytes comes in parts
        offset = known.offset
        found, known.offset = directory.events(offset)
        known.count(found)
    known.events_stamp = stamp
    written = known.journal.now(directory.path / journal.FILE, lambda: Journal.read(directory.path))
    agreements = () if written is None else written.entries.agreements
    reading = Reading(
        name=directory.name,
        state=state,
        alive=not state.stage.final and _is_alive(directory, known),
        billed=known.billed,
        events=known.events.copy(),
        agreements=len(agreements),
        refusals=sum(len(one.refusals) for one in agreements),
    )
    if known.reading is None or reading != known.reading:
        known.reading = reading
    return known.reading


def _is_alive(directory: SessionDirectory, known: _Known) -> bool:
    file = directory.path / liveness.SUPERVISOR_FILE
    supervisor = known.supervisor.now(file, lambda: liveness.supervisor(directory))
    return supervisor is not None and supervisor.alive()


def _stamp(path: Path) -> _Stamp | None:
    """What changes whenever a file is replaced; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
