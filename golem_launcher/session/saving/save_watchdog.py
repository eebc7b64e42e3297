"""Warns when a session's newest save is older than it should be: a provider that delays saving would not say so.

One runs beside the monitor of each machine whose workspace is saved.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.events import NotSaved

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.session.reporting.recorder import Recorder

INTERVALS = 4
"""As it is told: what takes long is followed by a longer pause, so an interval is what a save takes, and more."""
LEAST_SECONDS = 30.0
_SILENT = "the provider keeps it waiting"


class SaveWatchdog:
    """Compares the age of the newest save with how often there should be one. Made anew for each machine."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._saved_at: datetime | None = None
        self._seen_at = asyncio.get_running_loop().time()
        """By a clock that never jumps: when the newest save was first seen here."""

    def look(self) -> None:
        """Say once that the save is late, and once that it no longer is. The monitor calls it every few seconds."""
        saving = self._recorder.state.saving
        if saving is None:
            return
        now = asyncio.get_running_loop().time()
        if saving.saved_at != self._saved_at:
            self._saved_at, self._seen_at = saving.saved_at, now
            if self._recorder.state.stalled:
                self._recorder.update(stalled="")
                self._recorder.message("It is saved again.")
        elif not self._recorder.state.stalled and now - self._seen_at > LEAST_SECONDS + INTERVALS * saving.interval:
            news = NotSaved(seconds=round(now - self._seen_at), reason=saving.problem.rstrip(".") or _SILENT)
            self._recorder.event(news)
            self._recorder.update(stalled=news.line)
