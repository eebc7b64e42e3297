"""The address of a session that does not run, parked: what is told to whoever comes there, and until when.

One small file in the session's directory. A supervisor writes it at its end; while it lies there the caretaker
(:mod:`.caretaker`) answers at the address. Everything here blocks for a moment.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher import files, paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE = "parked.json"
_FAREWELL_SECONDS = 3600.0


@dataclass(frozen=True)
class Parked:
    """One parked address."""

    address: str
    """The origin at which the session was: ``http://127.x.y.z:port``."""
    told: str
    """What is said there: lines of text."""
    until: float
    """When nobody answers there any more, in seconds since the epoch."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.address)
        return str(parts.hostname), int(parts.port or 0)


def farewell(address: str, told: str) -> Parked:
    """The address of a session that has ended: for an hour it says how."""
    return Parked(address, told, time.time() + _FAREWELL_SECONDS)


def park(directory: Path, parked: Parked) -> None:
    """Have the caretaker answer at the address of the session in ``directory``. Raises ``OSError``."""
    files.write_json(directory / _FILE, asdict(parked))


def of(directory: Path) -> Parked | None:
    """What is parked of the session in ``directory``; ``None`` where nothing is, or no longer."""
    return _read(files.read_json(directory / _FILE))


def leave(directory: Path) -> None:
    """Have nobody answer there any more, within a second or so."""
    (directory / _FILE).unlink(missing_ok=True)


def leave_all() -> None:
    """The same for all sessions of this launcher's directory."""
    for directory, _ in everywhere(paths.sessions_directory()):
        leave(directory)


def everywhere(sessions: Path) -> Iterator[tuple[Path, Parked]]:
    """All that is parked of sessions in the directory ``sessions``, each with its own directory."""
    for file in sessions.glob(f"*/{_FILE}"):
        with contextlib.suppress(OSError):
            parked = of(file.parent)
            if parked is not None:
                yield file.parent, parked


def _read(value: Any) -> Parked | None:
    try:
        parked = Parked(str(value["address"]), str(value["told"]), float(value["until"]))
        there = parked.place[1] > 0 and time.time() < parked.until
    except (KeyError, TypeError, ValueError):
        return None
    return parked if there else None
