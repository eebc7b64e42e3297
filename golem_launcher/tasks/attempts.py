"""Writes who is at which task into a job's record, for whoever looks on: the page, while a command does the job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golem_launcher.tasks.events import AttemptBegun, AttemptFailed, MachineLetGo, MachineLost, MachineReady
from golem_launcher.tasks.record import Line
from golem_launcher.untrusted_text import clean_line, clean_name

if TYPE_CHECKING:
    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.record import JobRecord


class AttemptLines:
    """Writes who is at which task in one run of a job; pass ``told`` to its runner.

    Nothing depends on these lines but the first: the others may be lost.
    """

    def __init__(self, record: JobRecord) -> None:
        self._record = record
        self._names: dict[str, str] = {}
        record.add(Line(kind="begun", at=time.time()), sure=True)  # its sessions are counted from here on

    def told(self, happened: JobEvent) -> None:
        """Something happened. Raises ``OSError`` where the disk takes no more."""
        match happened:
            case MachineReady(worker, name):
                self._names[worker.provider] = clean_name(name)
            case MachineLost(worker) | MachineLetGo(worker):
                self._write(Line(kind="lost", provider=worker.provider))
            case AttemptBegun(attempt):
                provider = attempt.worker.provider
                name = self._names.get(provider, "")
                line = Line(kind="given", at=time.time(), task=attempt.task, provider=provider, provider_name=name)
                self._write(line)
            case AttemptFailed(attempt, reason):
                words = clean_line(reason)
                self._write(Line(kind="back", task=attempt.task, provider=attempt.worker.provider, reason=words))

    def _write(self, line: Line) -> None:
        self._record.add(line, sure=False)
