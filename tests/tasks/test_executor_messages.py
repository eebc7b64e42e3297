"""Who waits for an executor in a terminal is told the money and the machines; a pipe is told nothing."""

import io
import sys

import pytest

from golem_launcher.request import LaunchRequest
from golem_launcher.tasks.events import (
    AttemptBegun,
    AttemptFailed,
    MachineLetGo,
    MachineLost,
    MachineReady,
    SessionStarted,
)
from golem_launcher.tasks.executor_messages import ExecutorMessages
from golem_launcher.tasks.scheduler import Attempt, Worker


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_lines_in_a_terminal_and_none_in_a_pipe(kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", kind())
    telling = ExecutorMessages(LaunchRequest(name="mine", budget="2.5"))
    worker = Worker(1, "0xabc", "agreement")
    attempt = Attempt(7, 1, worker)
    for happened in (
        SessionStarted("mine"),
        MachineReady(worker, "some\x1b[31m\nbody"),
        AttemptBegun(attempt),
        AttemptFailed(attempt, "exit code 1"),
        MachineLost(worker, "It does not answer."),
        MachineLetGo(Worker(2, "0xdef", "another")),
    ):
        telling.told(happened)
    said = sys.stderr.getvalue().splitlines()
    if kind is not Terminal:
        assert said == []
        return
    assert said[0] == "The session is 'mine', for 2.5 tGLM at most. Machines are looked for."
    assert said[1].startswith("Machine 1 is ready at some")
    assert "\x1b" not in said[1]
    assert said[2:] == [
        "Task 7 failed: exit code 1",
        "Machine 1 is gone. It does not answer.",
        "Machine 2 is let go of: there is nothing for it to do.",
    ]
