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

    from golem_launcher.session.directory import SessionDirectory


def note(directory: SessionDirectory, until: datetime) -> None:
    """This process ends the session then, unless somebody goes on with it. Raises ``OSError`` when the disk is full."""
    process = ProcessRecord.of(os.getpid())
    files.write_json(_path(directory), {"until": until.timestamp(), "process": process.to_json()})


def withdraw(directory: SessionDirectory) -> None:
    """Take the note back: the session is not ended, or has been. Called by the process that made it."""
    with contextlib.suppress(OSError):
        _path(directory).unlink()


def until(directory: SessionDirectory) -> datetime | None:
    """When the session ends, if nobody goes on with it; ``None``: nobody says that."""
    found = None
    with contextlib.suppress(OSError):
        found = files.read_json(_path(directory))
    if not isinstance(found, dict) or not isinstance(found.get("until"), float):
        return None
    process = ProcessRecord.from_json(found.get("process"))
    return datetime.fromtimestamp(found["until"], UTC) if process is not None and process.alive() else None


def words(directory: SessionDirectory) -> str:
    """The same as a sentence for people; empty where it is not so."""
    ends = until(directory)
    if ends is None:
        return ""
    return (
        f"The Jupyter of its notebook was killed: it is saved and ended at {ends.astimezone():%H:%M:%S}. To go on, in "
        f"a notebook: %attach {directory.name}"
    )


def _path(directory: SessionDirectory) -> Path:
    return directory.path / "unattended.json"
