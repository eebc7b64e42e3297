"""A job of commands: what is asked for, what each task is, and what becomes of its result."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher import files
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest
from golem_launcher.suggestions import nearest
from golem_launcher.tasks import result_files
from golem_launcher.tasks.group_commit import GroupCommit
from golem_launcher.tasks.labels import labels_of
from golem_launcher.tasks.payload import Payload
from golem_launcher.tasks.record import Line
from golem_launcher.tasks.scheduler import Fault
from golem_launcher.untrusted_text import clean_text
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.payload import Answer
    from golem_launcher.tasks.record import JobDirectory, JobRecord
    from golem_launcher.tasks.scheduler import Attempt

_Kind = TypeVar("_Kind", bound=BaseModel)

_MOST_ITEMS = 100_000
_RANGE = re.compile(r"(-?\d{1,18}):(-?\d{1,18})(?::(-?\d{1,18}))?")
_CHECK_SECONDS = 600.0
_PLACES = ("item", "index")
_VARIABLES = ("GOLEM_ITEM", "GOLEM_INDEX")
_BRACES = re.compile(r"(?<!\$)\{(\w+)\}")
LOG = "log.txt"
"""What a task printed, beside the files that it made."""


class Job(BaseModel):
    """What ``golem-launcher run`` was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments; ``{item}`` and ``{index}`` stand for a task's."""
    items: tuple[str, ...] = Field(default=("",), min_length=1, max_length=_MOST_ITEMS)
    setup: str = ""
    """A line for the shell, once at each machine, in the workspace."""
    output: str
    """The directory for what comes back."""
    collect: tuple[str, ...] = ()
    """Patterns of the files that come back; all that a task made when there are none."""
    timeout: float = Field(default=3600.0, gt=0)
    """Seconds that a task may take."""
    attempts: int = Field(default=3, ge=1, le=20)
    verify: int = Field(default=1, ge=1, le=5)
    """So many providers must come to the same result."""
    check: tuple[str, ...] = ()
    """A command of this computer that judges a result: it gets the directory with it, and 0 takes it."""
    request: LaunchRequest
    """What is asked of the machines."""

    @property
    def labels(self) -> list[str]:
        """The name of each task's directory: by its item where these are short and differ, else by its number."""
        return labels_of(self.items)


def unheeded(job: Job, here: Path) -> list[str]:
    """What a person, whose directory is ``here``, may want to hear of a command before it is paid for."""
    found = []
    if len(job.items) > 1 and not _heeds(job.command):
        found.append(
            "the command has no {item} in it, so it is the same for all; its program finds the item in $GOLEM_ITEM."
        )
    left = [word for word in " ".join(job.command).split() if _stays_here(word, job, here)]
    if left:
        found.append(f"{left[0]} is a file here, and nothing brings it to the machines: --file {left[0]}")
    return found


def _stays_here(word: str, job: Job, here: Path) -> bool:
    """Whether a word of the command is a file of this computer that no machine gets."""
    first = PurePath(word).parts[:1]
    brought = {part for each in job.request.inputs for part in (PurePath(each).name, PurePath(each).stem)}
    if word.startswith("/") or word in job.setup or brought.intersection(first):
        return False
    try:
        return (here / word).is_file()
    except (OSError, ValueError):  # nothing that a path can be
        return False


def _heeds(command: Sequence[str]) -> bool:
    """Whether anything of a task's own is in the command."""
    words = " ".join(command)
    return any(word in words for word in (*("{" + place + "}" for place in _PLACES), *_VARIABLES))


def _check_places(job: Job) -> None:
    """Raises ``RequestError`` for a command that would do something else than what was meant."""
    words = " ".join(job.command)
    if "{item}" in words and job.items == ("",):
        raise RequestError("There is {item} in the command, and there are no items.", "Say which: --map 0:10")
    meant = {word: nearest(word, _PLACES) for word in _BRACES.findall(words)}
    slip = next((word for word, place in meant.items() if place is not None), None)
    if slip is not None and not _heeds(job.command):
        raise RequestError(
            f"A command has no {{{slip}}}.", f"Did you mean {{{meant[slip]}}}? It has {{item}} and {{index}}."
        )


def items_of(text: str) -> tuple[str, ...]:
    """The items of ``--map``: ``0:60:10`` as Python's ranges, else a file with one item a line.

    Raises ``RequestError``.
    """
    found = _RANGE.fullmatch(text)
    if found:
        try:
            numbers = range(*(int(part) for part in found.groups() if part is not None))
            items = tuple(map(str, numbers[: _MOST_ITEMS + 1]))
        except ValueError:
            raise RequestError(f"--map {text}: a step of 0 leads nowhere.") from None
    else:
        try:
            lines = Path(text).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or "it is no text"
            raise RequestError(
                f"--map {text}: it is no range like 0:60:10, and as a file it can't be read: {why}."
            ) from None
        items = tuple(line.strip() for line in lines if line.strip())
    if not 0 < len(items) <= _MOST_ITEMS:
        count = "more" if items else "none"
        raise RequestError(f"--map {text}: 1 to {_MOST_ITEMS} items make a job, and there are {count}.")
    return items


def parsed(kind: type[_Kind], values: dict[str, Any]) -> _Kind:
    """A job of this ``kind`` from untyped values. Raises ``RequestError`` that names the first that is wrong."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RequestError(f"{'.'.join(map(str, first['loc'])).capitalize()}: {first['msg']}.") from None


def parse_job(values: dict[str, Any]) -> Job:
    """A job from untyped values. Raises ``RequestError`` for what can't be one."""
    job = parsed(Job, values)
    _check_places(job)
    if job.check and shutil.which(job.check[0]) is None:
        raise RequestError(
            f"Check: there is no program {job.check[0]} here that can be run.",
            f"Is the path right, and is it executable (chmod +x {job.check[0]})?",
        )
    if job.verify > job.request.machines:
        raise RequestError(
            f"{job.verify} providers are to come to the same result, and there are {job.request.machines} workers.",
            f"Take more: --workers {job.verify + 1}",
        )
    return job


def job_in(directory: JobDirectory) -> Job:
    """The job of a directory. Raises ``SessionDamaged``, and ``RequestError`` for one of another kind."""
    description = directory.description()
    if isinstance(description, dict) and "notebook" in description:
        raise RequestError(
            f"The job '{directory.name}' is a sweep.", f"Go on with it: golem-launcher sweep --resume {directory.name}"
        )
    return directory.understood(description, Job)


class CommandTasks:
    """The tasks of a job of commands; a runner's source."""

    def __init__(self, job: Job, record: JobRecord, told: Callable[[JobEvent], None]) -> None:
        self._job = job
        self._record = record
        self.told = told
        self._labels = job.labels
        self._output = Path(job.output)
        self._disk = GroupCommit(lambda: files.sync_directory(self._output))
        self._said: dict[int, bytes] = {}
        """What the last attempt printed that failed, of tasks that are not done."""

    def payload(self, task: int) -> Payload:
        """The command with this task's item in it."""
        item = self._job.items[task]
        argv = [part.replace("{item}", item).replace("{index}", str(task)) for part in self._job.command]
        about = {
            "argv": argv,
            "outputs": list(self._job.collect),
            "environment": {"GOLEM_ITEM": item, "GOLEM_INDEX": str(task)},
        }
        return Payload(about, seconds=self._job.timeout)

    def fault(self, attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why this is no result."""
        why = f"it took longer than {self._job.timeout:g} s" if answer.timed_out else ""
        why = why or (_exit_words(answer) if answer.exit != 0 else "")
        if not why:
            return None
        self._said[attempt.task] = answer.log
        return why, Fault.OPEN

    async def check(self, task: int, answer: Answer) -> str:
        """Whether the user's own program takes it."""
        why = result_files.unfit(answer.outputs, beside=LOG)
        if why or not self._job.check:
            return why
        directory = self._output / f".check-{self._labels[task]}"
        await asyncio.to_thread(result_files.place, directory, answer.outputs, {LOG: _shown(answer.log)}, copy=True)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._job.check, str(directory), self._job.items[task], stdin=asyncio.subprocess.DEVNULL
            )
            try:
                code = await wait_for(process.wait(), _CHECK_SECONDS)
            except BaseException:
                process.kill()
                raise
        except TimeoutError:
            return f"the check took longer than {_CHECK_SECONDS:.0f} s"
        finally:
            await asyncio.to_thread(result_files.remove, directory)
        return f"the check did not take it (exit code {code})" if code else ""

    async def keep(self, results: Sequence[tuple[Attempt, Answer]]) -> None:
        """Their files first, then the lines that say so."""
        for attempt, _ in results:
            self._said.pop(attempt.task, None)
        await asyncio.to_thread(self._keep, results)

    def _keep(self, results: Sequence[tuple[Attempt, Answer]]) -> None:
        placed: list[tuple[Attempt, Answer]] = []
        try:
            for attempt, answer in results:
                self._place(attempt.task, answer)
                placed.append((attempt, answer))
        finally:
            if placed:  # those before one for which the disk has no room count, too
                for attempt, _ in placed:  # once all are written: the disk takes several at a time
                    files.sync_tree(self._output / self._labels[attempt.task])
                self._disk.commit()
                self._record.add(*(_done(*one) for one in placed), sure=True)

    def _place(self, task: int, answer: Answer) -> None:
        result_files.place(self._output / self._labels[task], answer.outputs, {LOG: _shown(answer.log)})
        log_of_failure(self._output, self._labels[task]).unlink(missing_ok=True)

    async def give_up(self, task: int, reason: str) -> None:
        """It is not tried again in this run: what it printed last, for whoever asks why, then the line."""
        said = self._said.pop(task, b"")

        def write() -> None:
            if said:
                self._output.mkdir(parents=True, exist_ok=True)
                files.write_atomic(log_of_failure(self._output, self._labels[task]), _shown(said), mode=0o644)
            self._record.add(Line(kind="failed", task=task, reason=reason), sure=True)

        await asyncio.to_thread(write)


def log_of_failure(output: Path, label: str) -> Path:
    """Where what a failed task printed is kept: beside the directories of the others, none of which has a blank."""
    return output / f"{label} (failed).txt"


def _done(attempt: Attempt, answer: Answer) -> Line:
    return Line(
        kind="done",
        task=attempt.task,
        provider=attempt.worker.provider,
        seconds=answer.seconds,
        more={"attempt": attempt.number},
    )


def setup_payload(job: Job) -> Payload | None:
    """What is done once at each machine."""
    if not job.setup:
        return None
    return Payload({"argv": ["/bin/sh", "-c", job.setup], "in_workspace": True}, seconds=job.timeout)


def _shown(log: bytes) -> bytes:
    """What a task printed, as a terminal may show it: without escapes and controls."""
    return clean_text(log.decode(errors="replace"), longest=len(log)).encode()


def _exit_words(answer: Answer) -> str:
    last = f": {answer.last_line}" if answer.last_line else ""
    if answer.exit < 0:
        memory = " (its memory may not reach)" if -answer.exit == signal.SIGKILL else ""
        return f"it was killed by signal {-answer.exit}{memory}{last}"
    return f"exit code {answer.exit}{last}"
