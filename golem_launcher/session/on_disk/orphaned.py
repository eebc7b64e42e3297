"""A session that is about to be ended, because the Jupyter of its notebook was killed: until when, as the kernel says.

One small file in the session's directory, of a process that lives: what a dead one said counts no more. Blocking.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golem_launcher import files
from golem_launcher.processes import ProcessRecord

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.session_paths import SessionPaths


def note(directory: SessionPaths, until: datetime) -> None:
    """Note that this process ends the session at ``until`` unless somebody joins it.

    ``OSError`` when the disk is full.
    """
    process = ProcessRecord.of(os.getpid())
    files.write_json(_path(directory), {"until": until.timestamp(), "process": process.to_json()})


def withdraw(directory: SessionPaths) -> None:
    """Remove the note: the session goes on, or has ended."""
    with contextlib.suppress(OSError):
        _path(directory).unlink()


def until(directory: SessionPaths) -> datetime | None:
    """When the session ends unless somebody joins it; ``None`` when no end is planned."""
    found = None
    with contextlib.suppress(OSError):
        found = files.read_json(_path(directory))
    if not isinstance(found, dict) or not isinstance(found.get("until"), float):
        return None
    process = ProcessRecord.from_json(found.get("process"))
    return datetime.fromtimestamp(found["until"], UTC) if process is not None and process.alive() else None


def words(directory: SessionPaths) -> str:
    """The same as a sentence for people; empty when no end is planned."""
    ends = until(directory)
    if ends is None:
        return ""
    return (
        f"The Jupyter of its notebook was killed: it is saved and ended at {ends.astimezone():%H:%M:%S %Z}. "
        f"To go on, in a notebook: %attach {directory.name}"
    )


def _path(directory: SessionPaths) -> Path:
    return directory.path / "orphaned.json"
