"""Reads how far jobs are, by their records, and of each record only the lines that are new."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from golem_launcher.errors import LauncherError
from golem_launcher.tasks.record import JobDirectory, job_directories

MOST_JOBS = 50
"""Those in which something happened last are told of."""


@dataclass
class _Known:
    """What was read of one job before."""

    tasks: int | None
    offset: int = 0
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)


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
                known = present[key] = self._known.get(key) or _Known(_tasks(directory))
                found.append(_reading(directory, known))
        self._known = present
        return found


def _reading(directory: JobDirectory, known: _Known) -> JobReading:
    took = []
    offset = -1
    while known.offset != offset:
        offset = known.offset
        lines, known.offset = directory.lines_from(offset)
        for line in lines:
            if line.kind == "done" and line.task not in known.done:
                known.done.add(line.task)
                took.append(line.seconds)
            elif line.kind == "failed":
                known.failed.add(line.task)
    failed = len(known.failed - known.done)
    return JobReading(directory.name, known.tasks, len(known.done), failed, tuple(took))


def _tasks(directory: JobDirectory) -> int | None:
    """A job of commands has items, a sweep sets of parameters."""
    description = directory.description()
    for what in ("items", "sets"):
        found = description.get(what) if isinstance(description, dict) else None
        if isinstance(found, list):
            return len(found)
    return None
