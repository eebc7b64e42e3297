"""What a notebook's kernel is connected to, on disk: a restart finds it, and another notebook sees whose it is.

One small file for each connection file, below the launcher's home. Blocking, a few milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from golem_launcher.processes import ProcessRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DIGITS = 24


@dataclass(frozen=True)
class Attachment:
    """A kernel's connection to a session."""

    session: str
    kernel_id: str
    """Of the session's Jupyter."""
    ends_session: bool
    """Whether the session ends with the last notebook that is connected to it."""
    process: ProcessRecord
    """The kernel's on this computer."""

    @property
    def alive(self) -> bool:
        """Whether the notebook's kernel still runs."""
        return self.process.alive()


class Record:
    """The file of one kernel, which is known by its connection file: that stays the same over restarts."""

    def __init__(self, connection_file: Path) -> None:
        digest = hashlib.sha256(os.fsencode(connection_file.absolute())).hexdigest()[:_DIGITS]
        self._path = _directory() / f"{digest}.json"

    def write(self, session: str, kernel_id: str, *, ends_session: bool) -> None:
        """Remember what this process is connected to."""
        attachment = Attachment(session, kernel_id, ends_session, ProcessRecord.of(os.getpid()))
        files.write_json(self._path, asdict(attachment))

    def read(self) -> Attachment | None:
        """What was remembered, by this process or the one before it."""
        return _read(self._path)

    def remove(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)

    def others(self, session: str) -> list[Attachment]:
        """The other kernels that are, or were when they were killed, connected to a session."""
        return [one for path, one in _all() if path != self._path and one.session == session]

    def take_over(self, session: str) -> str:
        """The kernel that a notebook left in a session when it was killed, now this one's; empty: there is none."""
        for path, one in _all():
            if path != self._path and one.session == session and not one.alive:
                path.unlink(missing_ok=True)
                return one.kernel_id
        return ""

    @staticmethod
    def sweep(living: set[str]) -> None:
        """Forget what kernels that are gone had of sessions that are over; ``living`` are the names of the others."""
        for path, one in _all():
            if one.session not in living and not one.alive:
                path.unlink(missing_ok=True)


def _all() -> Iterator[tuple[Path, Attachment]]:
    for path in _directory().glob("*.json"):
        if (found := _read(path)) is not None:
            yield path, found


def _read(path: Path) -> Attachment | None:
    value: Any = None
    with contextlib.suppress(OSError):
        value = files.read_json(path)
    if not isinstance(value, dict):
        return None
    process = ProcessRecord.from_json(value.get("process"))
    if process is None:
        return None
    return Attachment(str(value["session"]), str(value["kernel_id"]), bool(value["ends_session"]), process)


def _directory() -> Path:
    return paths.private_directory(paths.home() / "kernels")
