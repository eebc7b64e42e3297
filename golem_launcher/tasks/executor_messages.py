"""What an executor prints for whoever waits for it: the money, and which machines there are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from golem_launcher.networks import token_of
from golem_launcher.tasks.events import (
    AttemptFailed,
    MachineLetGo,
    MachineLost,
    MachineReady,
    SessionStarted,
    SetupFailed,
)
from golem_launcher.units import with_coin
from golem_launcher.untrusted_text import clean_line, clean_name

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.tasks.events import JobEvent


class ExecutorMessages:
    """Lines in a terminal and in a notebook, nothing in a pipe. Made where the user's code runs."""

    def __init__(self, request: LaunchRequest) -> None:
        self._money = with_coin(request.budget, token_of(request.network))
        self._watched = sys.stderr.isatty() or _in_notebook()

    def told(self, happened: JobEvent) -> None:
        """Say it, where it is worth a line."""
        words = self._words(happened)
        if words and self._watched:
            sys.stderr.write(f"{clean_line(words)}\n")
            sys.stderr.flush()

    def interrupted(self, name: str) -> None:
        """Say that the wait was interrupted and the session is being ended."""
        if self._watched:
            sys.stderr.write(f"Interrupted. The session '{name}' is being ended.\n")
            sys.stderr.flush()

    def _words(self, happened: JobEvent) -> str:  # noqa: PLR0911 - a case for each kind of event
        match happened:
            case SessionStarted(name):
                return f"The session is '{name}', for {self._money} at most. Machines are looked for."
            case MachineReady(worker, name):
                return f"Machine {worker.machine} is ready at {clean_name(name)}."
            case MachineLost(worker, reason):
                return f"Machine {worker.machine} is gone. {reason}"
            case MachineLetGo(worker):
                return f"Machine {worker.machine} is let go of: there is nothing for it to do."
            case SetupFailed(_, reason):
                return f"The setup failed: {reason}"
            case AttemptFailed(attempt, reason):
                return f"Task {attempt.task} failed: {reason}"
        return ""


def _in_notebook() -> bool:
    """Whether this is a kernel of Jupyter's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
