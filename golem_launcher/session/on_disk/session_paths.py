"""Where sessions lie: their directories by name, the newest first, and what of them is found without reading it.

Apart from :mod:`.directory`, whose models take longer to load than a list takes to be shown, and from what is over: a
session that has ended and owes nothing stays so. It is marked as **settled** in its directory, and who looks for what
is still to be done reads those without a mark: a thousand past sessions cost a look at their names.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files, paths

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST, STATE = "request.json", "state.json"
JOURNAL = "journal.json"
FILES = (REQUEST, STATE, "supervisor.json", JOURNAL)
"""A directory with one of these is a session's, whatever became of the others."""
ASIDE, STAMP_LENGTH = ".ended", len("20260101-000000-000000")
"""Where those lie that were removed or replaced, and how much of such a directory's name says when."""
_MARK = "settled"
_TICK_NS = 1_000_000_000
_LOCK = ".lock"
BEGUN = ".begun"
"""In the directory of all sessions: one that is being made."""
_LOCK_SECONDS = 20.0
_SOCKETS = ("control.sock", "ports.sock")


@dataclass(frozen=True)
class SessionPaths:
    """Where the files of one session lie. Nothing is read: lists of many sessions are made of these."""

    path: Path

    @property
    def name(self) -> str:
        """The session's name: its directory is called so."""
        return self.path.name

    @property
    def state_file(self) -> Path:
        """Where the state is written; it is replaced with each change."""
        return self.path / STATE

    @property
    def supervisor_log(self) -> Path:
        """The log of the supervisor itself, for whoever looks for a fault of ours."""
        return self.path / "supervisor.log"

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives, and by whoever closes down what a dead one left."""
        return self.path / "lock"

    @property
    def control_socket(self) -> Path:
        """The socket at which the supervisor takes commands (:mod:`golem_launcher.session.supervision.control`)."""
        return paths.socket_path(self.path, "control.sock")

    @property
    def last_sign(self) -> float:
        """When its supervisor last wrote something down, in seconds since the epoch. Raises ``OSError``."""
        return max(file.stat().st_mtime for file in (self.state_file, self.path / JOURNAL) if file.exists())

    @property
    def scratch(self) -> Path:
        """Temporary files of the supervisor: what it sends and fetches."""
        return self.path / "scratch"

    def sweep(self) -> None:
        """Remove what only a living supervisor needs. Blocking; whoever calls holds the lock."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for name in _SOCKETS:
            with contextlib.suppress(OSError):
                paths.socket_path(self.path, name).unlink(missing_ok=True)

    @property
    def is_settled(self) -> bool:
        """Whether it is over, and nothing is left to be done for it."""
        return self.settled_at is not None

    @property
    def settled_at(self) -> float | None:
        """When the last was done for it, in seconds since the epoch; ``None`` while it is not settled."""
        try:
            return os.stat(f"{self.path}/{_MARK}").st_mtime  # noqa: PTH116 - asked of a thousand
        except OSError:
            return None

    def settle(self) -> None:
        """Mark it so. Called once that was found out; without room for the mark it is found out again."""
        with contextlib.suppress(OSError):
            ended = self.state_file.stat().st_mtime
            (self.path / _MARK).touch(mode=0o600)
            os.utime(self.path / _MARK, (ended, ended))


@contextlib.contextmanager
def sessions_locked(seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of all sessions: nobody begins, removes or closes one down meanwhile. Blocking.

    Raises ``TimeoutError`` when somebody is at that for so many ``seconds``.
    """
    with files.locked(paths.sessions_directory() / _LOCK, deadline=seconds):
        yield


def session_paths() -> list[Path]:
    """Every session's directory, the newest first. Nothing in them is read."""
    return _look()[0]


class Lookout:
    """Looks for sessions again and again: while none comes and none goes, that is one question to the disk."""

    def __init__(self) -> None:
        self._mark: tuple[int, int] | None = None
        self._found: list[Path] = []

    def look(self) -> list[Path]:
        """As :func:`session_paths`, but the directory is only listed again after it has changed."""
        status = paths.sessions_directory().stat()
        mark = status.st_ino, status.st_mtime_ns
        if mark != self._mark:
            self._found, all_begun = _look()
            # What changes again within a tick of the disk's clock leaves no other mark.
            is_old = time.time_ns() - status.st_mtime_ns > _TICK_NS
            self._mark = mark if all_begun and is_old else None
        return self._found


def _look() -> tuple[list[Path], bool]:
    """The directories of sessions, the newest first, and whether all are that may be one: one is made in two steps."""
    above = paths.sessions_directory()
    names = list(filter(is_name, os.listdir(above)))  # noqa: PTH208 - a Path for each takes longer than all else
    found = [(began, name) for name in names if (began := _begun(f"{above}/{name}")) is not None]
    newest = sorted(found, key=lambda each: each[0], reverse=True)
    return [above / name for _, name in newest], len(found) == len(names)


def paths_aside() -> list[Path]:
    """The directories of those that were removed or replaced, the newest first.

    :mod:`golem_launcher.session.cleanup.trash` puts them there.
    """
    found = (paths.sessions_directory() / ASIDE).glob("*")
    return sorted(found, key=lambda old: old.name[-STAMP_LENGTH:], reverse=True)


def is_session(path: Path) -> bool:
    """Whether a session's files are there, at least some of them."""
    return any((path / name).is_file() for name in FILES)


def is_name(name: str) -> bool:
    """Whether a session may be called so."""
    return re.fullmatch(paths.NAME_PATTERN, name) is not None


def begun(path: Path) -> float:
    """When a session began, in seconds since the epoch: its request keeps the time."""
    for file in (path / REQUEST, path):
        with contextlib.suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def _begun(path: str) -> float | None:
    """The same of a directory that may be a session's, in one look for most; ``None`` where it is none."""
    with contextlib.suppress(OSError):
        status = os.stat(f"{path}/{REQUEST}")  # noqa: PTH116 - likewise
        if stat.S_ISREG(status.st_mode):
            return status.st_mtime
    return begun(Path(path)) if is_session(Path(path)) else None
