"""What a notebook's kernel is connected to, on disk: a restart finds it, and another notebook sees whose it is.

One small file for each connection file, below the launcher's home. Blocking, a few milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from golem_launcher.agent.kernel_state import ELSEWHERE
from golem_launcher.processes import ProcessRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DIGITS = 24
_PLACE_VARIABLE = "JPY_SESSION_NAME"
"""In which Jupyter Server tells a kernel where its notebook lies."""


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
    notebook: str = ""
    """What the session's Jupyter calls the notebook."""
    synced: str = ""
    """The folder of this computer that is kept equal with the one over there; empty: none is."""
    offered_until: float | None = None
    """The kernel's Jupyter was killed: at this time (of Unix) the session ends, unless another notebook took it."""

    @property
    def alive(self) -> bool:
        """Whether the notebook's kernel still runs."""
        return self.process.alive()

    @property
    def used(self) -> bool:
        """Whether somebody has the notebook still."""
        return self.offered_until is None and self.alive


class KernelRecord:
    """The file of one kernel, which is known by its connection file: that stays the same over restarts."""

    def __init__(self, connection_file: Path) -> None:
        digest = hashlib.sha256(os.fsencode(connection_file.absolute())).hexdigest()[:_DIGITS]
        self._digest = digest
        self._path = _directory() / f"{digest}.json"

    def names_of_notebook(self, before: str = "") -> list[str]:
        """What a session's Jupyter may call the notebook, the best first; ``before`` is what one has called it.

        The next kernel of the notebook finds its variables by it, in a session that resumes: by where the notebook
        lies, where the client tells that, else as the one without a name. A provider sees a hash of it.
        """
        place = os.environ.get(_PLACE_VARIABLE, "")
        told = hashlib.sha256(os.fsencode(place)).hexdigest()[:_DIGITS]
        return [*filter(None, [before]), ELSEWHERE + told, ELSEWHERE + self._digest]

    def write(self, session: str, kernel_id: str, *, ends_session: bool, notebook: str) -> None:
        """Remember what this process is connected to."""
        before = self.read()
        synced = before.synced if before is not None and before.session == session else ""
        attachment = Attachment(session, kernel_id, ends_session, ProcessRecord.of(os.getpid()), notebook, synced)
        files.write_json(self._path, asdict(attachment))

    def write_synced(self, folder: str) -> None:
        """Remember what folder is kept equal; empty: none."""
        if (own := self.read()) is not None:
            files.write_json(self._path, asdict(replace(own, synced=folder)))

    def read(self) -> Attachment | None:
        """What was remembered, by this process or the one before it."""
        return _read(self._path)

    def remove(self) -> bool:
        """Forget it; whether there was something to forget. Of two that do so, one alone is told so."""
        return _unlinked(self._path)

    def offer(self, until: float) -> None:
        """Let another notebook have what this one is connected to; at ``until``, a time of Unix, the session ends."""
        if (own := self.read()) is not None:
            files.write_json(self._path, asdict(replace(own, offered_until=until)))

    def taken(self, session: str) -> bool:
        """Whether another notebook has taken what was offered, or is in the session besides."""
        return self.read() is None or any(one.used for one in self.others(session))

    def others(self, session: str) -> list[Attachment]:
        """The other kernels that are, or were when they were killed, connected to a session."""
        return [one for path, one in _all() if path != self._path and one.session == session]

    def take_over(self, session: str) -> Attachment | None:
        """The kernel that a notebook left in a session, now this one's; ``None``: there is none.

        Notebooks leave one when they are killed, or offer it when their Jupyter was.
        """
        for path, one in _all():
            if path != self._path and one.session == session and not one.used and _unlinked(path):
                return one
        return None

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
    until = value.get("offered_until")
    return Attachment(
        str(value["session"]),
        str(value["kernel_id"]),
        bool(value["ends_session"]),
        process,
        str(value.get("notebook", "")),
        str(value.get("synced", "")),
        until if isinstance(until, float) else None,
    )


def _unlinked(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _directory() -> Path:
    return paths.private_directory(paths.home() / "kernels")
