"""Polls the supervisors of the sessions on the page, in background threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionError
from golem_launcher.session.on_disk import liveness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.session.on_disk.directory import SessionDirectory

_SECONDS = 2.0
"""Between an answer and the next question."""
_NEVER = float("inf")


class SupervisorPolling:
    """Asks supervisors in threads of its own; one per page."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="supervisors")
        self._due: dict[str, float] = {}
        self._troubles: dict[str, str] = {}

    def trouble(self, name: str) -> str:
        """What its supervisor tells, or that it does not answer; empty when all is well."""
        return self._troubles.get(name, "")

    def look(self, living: Iterable[SessionDirectory]) -> None:
        """Ask each again that is due; returns at once."""
        now = time.monotonic()
        found = {directory.name: directory for directory in living}
        self._troubles = {name: trouble for name, trouble in self._troubles.items() if name in found}
        self._due = {name: self._due.get(name, now) for name in found}
        for name, directory in found.items():
            if self._due[name] <= now:
                self._due[name] = _NEVER
                self._threads.submit(self._ask, directory)

    def close(self) -> None:
        """Ask no more whether sessions answer. Called when the page is closed."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, directory: SessionDirectory) -> None:
        try:
            self._troubles[directory.name] = liveness.state_of(directory).trouble
        except SessionError:  # removed meanwhile, or its files can't be read: its card says that
            self._troubles.pop(directory.name, None)
        finally:
            self._due[directory.name] = time.monotonic() + _SECONDS
