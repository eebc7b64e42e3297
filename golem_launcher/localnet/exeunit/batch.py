"""One script under execution: the results so far, and the callers that wait for more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from golem_launcher.localnet.exeunit.output_capture import CapturedOutput, OutputBudget
from golem_launcher.localnet.exeunit.script import Capture, RunProgram
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from golem_launcher.localnet.exeunit.script import Command

MOST_OUTPUT = 4 * 1024 * 1024
"""Bytes of output kept of one script: a message of the bus has at most 16 MiB, and bytes that are no text triple."""
_MOST_EVENT_BYTES = 4 * 1024 * 1024
_EVENT_WEIGHT = 256


@dataclass
class CommandState:
    """A command that has begun. ``code`` is ``None`` while it runs."""

    stdout: CapturedOutput
    stderr: CapturedOutput
    code: int | None = None
    message: str | None = None
    date: datetime = field(default_factory=lambda: datetime.now(UTC))


class Batch:
    """A script, its results and its events."""

    def __init__(self, batch_id: str, commands: list[Command], raw: list[Any]) -> None:
        self.id = batch_id
        self.commands = commands
        self.finished = not commands
        self._raw = raw
        self._states: list[CommandState] = []
        self._budget = OutputBudget(MOST_OUTPUT)
        self._events: list[dict[str, Any]] = []
        self._dropped = 0
        self._weight = 0
        self._changed = asyncio.Event()

    # What happens

    def begin(self, index: int) -> None:
        """Called when the command with this ``index`` begins."""
        command = self.commands[index]
        everything = Capture(stream=True, head=None)
        out, err = (command.stdout, command.stderr) if isinstance(command, RunProgram) else (everything, everything)
        self._states.append(CommandState(CapturedOutput(out, self._budget), CapturedOutput(err, self._budget)))
        self._emit(index, {"started": {"command": self._raw[index]}})

    def stdout(self, data: bytes) -> None:
        """The running command wrote to its standard output."""
        output = self._states[-1].stdout.write(data)
        if output:
            self._emit(len(self._states) - 1, {"stdout": output}, len(output))

    def stderr(self, data: bytes) -> None:
        """The running command wrote to its standard error."""
        output = self._states[-1].stderr.write(data)
        if output:
            self._emit(len(self._states) - 1, {"stderr": output}, len(output))

    def progress(self, done: int, size: int | None) -> None:
        """The running command has got so far, in bytes."""
        self._progress(None, done, size)

    def message(self, text: str) -> None:
        """The running command has something to say of its progress."""
        self._progress(text, 0, None)

    def _progress(self, message: str | None, done: int, size: int | None) -> None:
        value = {"step": [0, 1], "message": message, "progress": [done, size], "unit": "Bytes"}
        self._emit(len(self._states) - 1, {"progress": value})

    def end(self, code: int, message: str | None) -> None:
        """The running command ended; anything but 0 ends the script."""
        state = self._states[-1]
        state.code, state.message, state.date = code, message, datetime.now(UTC)
        self.finished = code != 0 or len(self._states) == len(self.commands)
        self._emit(len(self._states) - 1, {"finished": {"return_code": code, "message": message}})

    def _emit(self, index: int, kind: dict[str, Any], weight: int = 0) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        self._events.append({"batch_id": self.id, "index": index, "timestamp": now.isoformat(), "kind": kind})
        self._weight += weight + _EVENT_WEIGHT
        while self._weight > _MOST_EVENT_BYTES and len(self._events) > 1:  # the newest stays: it may be the end
            self._weight -= _weigh(self._events.pop(0))
            self._dropped += 1
        self._changed.set()
        self._changed = asyncio.Event()

    # What is asked

    @property
    def running(self) -> Command | None:
        """The command that runs now, as the bus shows it."""
        if self.finished or not self._states or self._states[-1].code is not None:
            return None
        return self.commands[len(self._states) - 1]

    async def wait_for(self, index: int | None, seconds: float) -> bool:
        """Wait until the command ``index`` (or the script) is over; ``False`` when that took too long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self._over(index):
            left = end - loop.time()
            if left <= 0:
                return False
            try:
                await wait_for(self._changed.wait(), left)
            except TimeoutError:
                return self._over(index)
        return True

    def _over(self, index: int | None) -> bool:
        if self.finished:
            return True
        return index is not None and index < len(self._states) and self._states[index].code is not None

    def results(self, index: int | None) -> list[dict[str, Any]]:
        """The results up to ``index`` (or all), as the Activity API has them; output of ``index`` alone when given."""
        last = len(self.commands) - 1 if index is None else index
        found = []
        for position, state in enumerate(self._states[: last + 1]):
            if state.code is None:
                break
            shown = index is None or index == position
            found.append(
                {
                    "index": position,
                    "result": "Ok" if state.code == 0 else "Error",
                    "stdout": state.stdout.output() if shown else None,
                    "stderr": state.stderr.output() if shown else None,
                    "message": state.message,
                    "isBatchFinished": position == len(self.commands) - 1 or state.code != 0,
                    "eventDate": state.date.isoformat(),
                }
            )
        return found

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """All events from the first that is kept, to the end of the script."""
        position = self._dropped
        while True:
            position = max(position, self._dropped)
            while position - self._dropped < len(self._events):
                event = self._events[position - self._dropped]
                position += 1
                yield event
                position = max(position, self._dropped)
            if self.finished:
                return
            await self._changed.wait()


def _weigh(event: dict[str, Any]) -> int:
    ((kind, value),) = event["kind"].items()
    return _EVENT_WEIGHT + (len(value) if kind in {"stdout", "stderr"} else 0)
