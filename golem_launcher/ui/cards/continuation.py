"""The request of a session that goes on where another one ended."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory

_LONGEST_NAME = 40


def continuation(directory: SessionDirectory, generation: int | None = None) -> LaunchRequest:
    """What to start so that the work of this session goes on: the same request, its saved workspace, another name.

    It goes on from the newest save of the workspace, or from ``generation``. What was brought then lies in the
    workspace by now. Raises ``SessionDamaged`` when the request can't be read and ``SessionError`` when nothing is
    saved. Blocking.
    """
    workspace = client.saving_of(directory).workspace
    taken = {other.name for other in session_directories()}
    name = next(name for number in count(2) if (name := _numbered(workspace, number)) not in taken)
    resume = workspace if generation is None else f"{workspace}@{generation}"
    return directory.request().model_copy(update={"name": name, "resume": resume, "inputs": ()})


def _numbered(name: str, number: int) -> str:
    end = f"-{number}"
    return f"{name[: _LONGEST_NAME - len(end)].rstrip('-')}{end}"
