"""The address of a session that does not run, parked: what is told to whoever comes there, and whether that wakes it.

One small file in the session's directory. A supervisor writes it at its end; while it lies there the caretaker
(:mod:`golem_launcher.session.suspension.caretaker`) answers at the address. Of an ended session that is for an hour, of
a suspended one until it runs again. Everything here blocks for a moment.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher import files, paths, processes
from golem_launcher.session.on_disk.session_paths import SessionPaths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.session_state import SessionState

_FILE = "parked.json"
CARETAKER = ".caretaker.json"
"""In the directory of all sessions: the caretaker's process, and the names of those at whose addresses it answers."""
_TOLD_SECONDS = 3600.0
LEAST_SECONDS = 300.0
"""With less time than that a session is not woken up, unless its user gives it more."""


@dataclass(frozen=True)
class Suspended:
    """With what a suspended session would go on."""

    ends: float
    """When the time that its user gave it is over, in seconds since the epoch."""
    left: str
    """Of its budget: 3.2 of 5 GLM."""
    per_hour: str = ""
    """What its machines cost before; empty where it is not known."""
    usual_seconds: float = 0.0
    """What its last start took; 0 where it is not known."""
    lasts_hours: float | None = None
    """How long what is left of its budget pays for those machines at full load; ``None`` where it is not known."""

    @property
    def has_time(self) -> bool:
        """Whether enough of its time is left to go on in."""
        return self.ends - time.time() >= LEAST_SECONDS

    @property
    def has_money(self) -> bool:
        """Whether enough of its budget is left to go on with."""
        return self.lasts_hours is None or self.lasts_hours * 3600 >= LEAST_SECONDS


@dataclass(frozen=True)
class ParkedAddress:
    """An address of a session that does not run, and what the caretaker answers there."""

    address: str
    """The origin at which the session was: ``http://127.x.y.z:port``."""
    told: str
    """What is said there: lines of text."""
    until: float | None = None
    """When nobody answers there any more, in seconds since the epoch; ``None`` while it is suspended."""
    suspended: Suspended | None = None

    @property
    def news(self) -> dict[str, Any]:
        """What pages of the Lab are told that ask how it ended, as their supervisor would have."""
        return {"ended": self.told, "suspended": True} if self.suspended is not None else {"ended": self.told}

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, for whoever binds or connects to it."""
        parts = urlsplit(self.address)
        return str(parts.hostname), int(parts.port or 0)


def of_ended(address: str, told: str) -> ParkedAddress:
    """The address of a session that has ended: for an hour it says how."""
    return ParkedAddress(address, told, time.time() + _TOLD_SECONDS)


def park(directory: Path, parked: ParkedAddress) -> None:
    """Have the caretaker answer at the address of the session in ``directory``. Raises ``OSError``."""
    files.write_json(directory / _FILE, asdict(parked))


def of(directory: Path) -> ParkedAddress | None:
    """What is parked of the session in ``directory``; ``None`` where nothing is, or no longer."""
    return _read(files.read_json(directory / _FILE))


def leave(directory: Path) -> None:
    """Have nobody answer there any more, within a second or so. Raises ``OSError``."""
    if has_left_word(directory):
        files.write_json(directory / _FILE, None)


def has_left_word(directory: Path) -> bool:
    """Whether something was ever parked of it, and so it is known whether anything is.

    Else it was moved aside, perhaps for a session that takes its place in a moment.
    """
    return (directory / _FILE).exists()


def is_answered(directory: Path) -> bool:
    """Whether the caretaker is at the address of the session in ``directory``."""
    return directory.name in _of_caretaker(directory.parent, "answers")


def answers_viewers(directory: Path) -> bool:
    """Whether it is at the address of the view-only link of that session."""
    return directory.name in _of_caretaker(directory.parent, "answers_viewers")


def is_squatted(directory: Path) -> bool:
    """Whether it can't be there, as another program has that address."""
    return directory.name in _of_caretaker(directory.parent, "kept_out")


def _of_caretaker(sessions: Path, what: str) -> list[str]:
    """What the caretaker wrote down; nothing where none lives."""
    told = files.read_json(sessions / CARETAKER)
    record = processes.ProcessRecord.from_json(told)
    return told.get(what, []) if told is not None and record is not None and record.alive() else []


def leave_ended() -> None:
    """The same for all that have ended; suspended ones can be woken up as long as their files are there."""
    for directory, what in everywhere(paths.sessions_directory()):
        if what.suspended is None:
            leave(directory)


def everywhere(sessions: Path) -> Iterator[tuple[Path, ParkedAddress]]:
    """All that is parked of sessions in the directory ``sessions``, each with its own directory.

    What is long over is forgotten: it is not read again.
    """
    for name in os.listdir(sessions):  # noqa: PTH208 - a Path for each takes longer than all else
        if not os.path.exists(f"{sessions}/{name}/{_FILE}"):  # noqa: PTH110 - likewise
            continue
        with contextlib.suppress(OSError):
            parked = of(sessions / name)
            if parked is not None:
                yield sessions / name, parked
            elif SessionPaths(sessions / name).is_settled:  # nobody parks anything there any more
                (sessions / name / _FILE).unlink(missing_ok=True)


def _read(value: Any) -> ParkedAddress | None:
    try:
        suspended = value["suspended"]
        parked = ParkedAddress(
            str(value["address"]),
            str(value["told"]),
            None if suspended is not None else float(value["until"]),
            None if suspended is None else Suspended(**suspended),
        )
        there = parked.place[1] > 0 and (parked.until is None or time.time() < parked.until)
    except (KeyError, TypeError, ValueError):
        return None
    return parked if there else None


def told_at_end(state: SessionState, *, suspended: bool = False) -> str:
    """What is said at its address once the session has ended, or is ``suspended``: lines of text."""
    lines = [state.reason]
    saving = state.saving
    if saving is not None and saving.generation is not None and saving.saved_at is not None:
        where = f"in {saving.store}" if saving.store else "on your computer"
        which = f"save {saving.generation} of '{saving.workspace}'"
        lines.append(f"Its files as of {saving.saved_at.astimezone():%H:%M:%S %Z} are saved {where} ({which}).")
        if not suspended:
            again = f"golem-launcher start --resume {saving.workspace}"
            lines.append(f"To go on: Continue on the launcher's page, or {again}")
    return "\n".join(filter(None, lines))
