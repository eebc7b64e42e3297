"""Reads what session directories say, of each file only what is new: scrapes come every few seconds."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.events import CostChanged, LeftOut, Message, NotSaved, ProviderLost
from golem_launcher.rental.payment import journal
from golem_launcher.rental.payment.journal import Journal, JournalEntries
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directories

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from golem_launcher.events import Event
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

MOST_ENDED = 50
"""Sessions that are over are told of, the newest ones only."""

_Stamp = tuple[int, int, int]


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


@dataclass
class _Known:
    """What was read of one session before."""

    state_stamp: _Stamp | None = None
    state: SessionState | None = None
    journal_stamp: _Stamp | None = None
    entries: JournalEntries | None = None
    offset: int = 0
    events: Counter[str] = field(default_factory=Counter)
    billed: Decimal = Decimal(0)

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
        """Every session that goes on, and the newest that are over. What vanishes meanwhile is left out."""
        found: list[Reading] = []
        present: dict[tuple[str, int], _Known] = {}
        ended = 0
        for directory in session_directories():
            with contextlib.suppress(OSError, LauncherError):
                key = directory.name, directory.path.stat().st_ino
                known = present[key] = self._known.get(key) or _Known()
                state = _state(directory, known)
                ended += state.stage.final
                if not state.stage.final or ended <= MOST_ENDED:
                    found.append(_reading(directory, known, state))
        self._known = present
        return found


def _reading(directory: SessionDirectory, known: _Known, state: SessionState) -> Reading:
    offset = -1
    while known.offset != offset:  # a file of many megabytes comes in parts
        offset = known.offset
        found, known.offset = directory.events(offset)
        known.count(found)
    stamp = _stamp(directory.path / journal.FILE)
    if stamp != known.journal_stamp:
        read = Journal.read(directory.path)
        known.entries, known.journal_stamp = None if read is None else read.entries, stamp
    agreements = () if known.entries is None else known.entries.agreements
    return Reading(
        name=directory.name,
        state=state,
        alive=not state.stage.final and liveness.alive(directory),
        billed=known.billed,
        events=known.events,
        agreements=len(agreements),
        refusals=sum(len(one.refusals) for one in agreements),
    )


def _state(directory: SessionDirectory, known: _Known) -> SessionState:
    """The session's state as last written; if unreadable, from its other files. Raises ``SessionNotFound``."""
    stamp = _stamp(directory.state_file)
    if known.state is None or stamp is None or stamp != known.state_stamp:
        known.state, known.state_stamp = directory.state(), stamp
    return known.state


def _stamp(path: Path) -> _Stamp | None:
    """What changes whenever a file is replaced; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
