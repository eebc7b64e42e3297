"""Writes who is at which task into a job's record, for whoever looks on: the page, while a command does the job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golem_launcher.tasks.record import Line
from golem_launcher.text import clean_line, clean_name

if TYPE_CHECKING:
    from golem_launcher.tasks.record import Record
    from golem_launcher.tasks.runner import Happened


class AttemptLines:
    """Of one run of a job; ``told`` is for its runner. Nothing depends on these lines: they may be lost."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._names: dict[str, str] = {}
        self._write(Line(kind="begun", at=time.time()))

    def told(self, happened: Happened) -> None:
        """Something happened. Raises ``OSError`` where the disk takes no more."""
        worker, attempt = happened.worker, happened.attempt
        if worker is None:
            return
        provider = worker.provider
        if happened.kind == "ready":
            self._names[provider] = clean_name(happened.text)
        elif happened.kind == "lost":
            self._write(Line(kind="lost", provider=provider))
        elif happened.kind == "given" and attempt is not None:
            name = self._names.get(provider, "")
            line = Line(kind="given", at=time.time(), task=attempt.task, provider=provider, provider_name=name)
            self._write(line)
        elif happened.kind == "failed" and attempt is not None:
            reason = clean_line(happened.text)
            self._write(Line(kind="back", task=attempt.task, provider=provider, reason=reason))

    def _write(self, line: Line) -> None:
        self._record.add(line, sure=False)
