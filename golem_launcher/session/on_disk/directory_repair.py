"""Notices that a living session's directory was deleted, moved away or made read-only, and makes it again."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from golem_launcher import files, processes

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory


class DirectoryRepair:
    """The directory of a session whose supervisor holds ``lock``, an open descriptor of its lock file. Blocking."""

    def __init__(self, directory: SessionDirectory, request: LaunchRequest, lock: int) -> None:
        self._directory = directory
        self._request = request
        self._lock = lock

    @property
    def gone(self) -> bool:
        """Whether the directory is not there any more, or another one is."""
        try:
            return not os.path.samestat(os.fstat(self._lock), self._directory.lock.stat())
        except OSError:
            return True

    @property
    def shut(self) -> bool:
        """Whether the directory is there and can't be written to."""
        return not os.access(self._directory.path, os.W_OK | os.X_OK)

    def make_again(self) -> None:
        """Make the directory with what commands need to find the session by. Raises ``OSError``."""
        directory = self._directory
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(directory.path)  # programs that are started find no directory otherwise
        # First who lives: what has no supervisor is closed down by whoever looks.
        files.write_json(directory.path / "supervisor.json", processes.ProcessRecord.of(os.getpid()).to_json())
        directory.write_request(self._request)
        directory.scratch.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        files.try_lock(lock)
        with contextlib.suppress(OSError):
            os.close(self._lock)
        self._lock = lock
