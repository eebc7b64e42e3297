"""All sessions that there ever were: on the list, in the trash, or deleted, with a line left in the ledger."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionNotFound
from golem_launcher.session.cleanup import deleted_bills, trash
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.session_paths import sessions_locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from golem_launcher.session.on_disk.bill import Bill
    from golem_launcher.session.on_disk.directory import SessionDirectory


@dataclass(frozen=True)
class AllSessions:
    """Every session of this computer, each once: for whoever adds up what was spent."""

    directories: tuple[SessionDirectory, ...]
    """Of those whose files are there, removed ones after the others; more may have been deleted since."""
    bills: tuple[Bill, ...]
    """Of those whose files were deleted."""

    def of_name(self, name: str) -> Iterator[tuple[datetime, SessionDirectory | Bill]]:
        """The sessions of a name, by when they were created: their directories, then the bills. Blocking."""
        for directory in self.directories:
            with contextlib.suppress(SessionNotFound):  # deleted meanwhile
                state = directory.state()
                if state.name == name:
                    yield state.created_at, directory
        for bill in self.bills:
            if bill.session == name:
                yield bill.created_at, bill


def all_sessions() -> AllSessions:
    """Read by whoever adds up what sessions cost: none is removed or brought back meanwhile, and so missed.

    Blocking. Raises ``TimeoutError`` when somebody is at that for 20 seconds.
    """
    with sessions_locked():
        return AllSessions((*session_directories(), *trash.kept()), tuple(deleted_bills.noted()))
