"""What is sent for a task, what comes back of it, and the id by which both are one attempt at it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.untrusted_text import last_line

if TYPE_CHECKING:
    from pathlib import Path

SILENT_SECONDS = 60.0
"""So long a machine may be unheard of before the task goes elsewhere."""


@dataclass(frozen=True)
class Payload:
    """What a worker is sent for one attempt at a task: what to run, and the files beside it."""

    about: dict[str, Any]
    """The command or the call, and how it is to be run, as the agent's task_server.py has it."""
    blobs: tuple[tuple[str, bytes | Path], ...] = ()
    """Name in the task's directory, empty for what is no file there; and the content."""
    seconds: float = 3600.0
    """How long it may take."""

    @property
    def size(self) -> int:
        """Bytes of what is sent, about; of files, what they are now."""
        return sum(len(blob) if isinstance(blob, bytes) else blob.stat().st_size for _, blob in self.blobs)


@dataclass(frozen=True)
class TaskOutput:
    """A file that came back. Nobody has looked into it."""

    name: str
    """As the provider says: to be checked before it becomes a file's."""
    size: int
    sha256: str
    content: bytes | Path
    """In memory while it is small, else a file here."""


@dataclass(frozen=True)
class Answer:
    """How the process of one attempt ended, and what it left behind."""

    exit: int
    timed_out: bool
    seconds: float
    log: bytes
    outputs: tuple[TaskOutput, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for equal results, whatever was printed."""
        told = sorted((one.name, one.sha256) for one in self.outputs)
        return hashlib.sha256(json.dumps([self.exit, told]).encode()).hexdigest()

    @property
    def last_line(self) -> str:
        """The last line that it printed, cleaned; empty when it printed nothing."""
        return last_line(self.log, longest=300)


def attempt_id(job: str, task: int, attempt: int) -> str:
    """The id of an attempt: nobody else's, also not of the same task in another run of the job."""
    return hashlib.sha256(f"{job} {task} {attempt} {time.time_ns()}".encode()).hexdigest()[:32]
