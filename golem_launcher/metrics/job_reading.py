"""Reads how far jobs are, by their records, and of each record only the lines that are new."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from golem_launcher.errors import LauncherError
from golem_launcher.tasks.progress import Follower
from golem_launcher.tasks.record import JobDirectory, job_directories

MOST_JOBS = 50
"""Those in which something happened last are told of."""


@dataclass
class _Known:
    """What was read of one job before."""

    tasks: int | None
    follower: Follower


@dataclass(frozen=True)
class JobReading:
    """One job at a moment."""

    name: str
    tasks: int | None
    """How many it has; ``None`` where its description can't be read."""
    done: int
    failed: int
    """Tasks that were given up, and not done since."""
    took: tuple[float, ...]
    """How many seconds each task took that was done since the last reading."""


class JobReader:
    """Reads all jobs again and again. Blocking, and for one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Known] = {}

    def read(self) -> list[JobReading]:
        """The newest jobs. What vanishes meanwhile is left out."""
        found: list[JobReading] = []
        present: dict[tuple[str, int], _Known] = {}
        for directory in job_directories()[:MOST_JOBS]:
            with contextlib.suppress(OSError, LauncherError):
                key = directory.name, directory.path.stat().st_ino
                known = present[key] = self._known.get(key) or _Known(_tasks(directory), Follower(directory))
                found.append(_reading(directory, known))
        self._known = present
        return found


def _reading(directory: JobDirectory, known: _Known) -> JobReading:
    took = tuple(line.seconds for line, is_done in known.follower.poll() if is_done)
    tally = known.follower.tally
    return JobReading(directory.name, known.tasks, len(tally.done), len(tally.failed), took)


def _tasks(directory: JobDirectory) -> int | None:
    overview = directory.overview()
    return overview.tasks or None if overview else None
