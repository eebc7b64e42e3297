"""A sweep: one notebook, executed for each of many sets of parameters, as papermill does it."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from golem_launcher import files
from golem_launcher.agent.task_values import decode
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.session import client
from golem_launcher.tasks import record, result_files
from golem_launcher.tasks.calls import call_payload
from golem_launcher.tasks.events import MachineReady
from golem_launcher.tasks.function_results import error_told, output_named
from golem_launcher.tasks.function_source import ship
from golem_launcher.tasks.job import parsed
from golem_launcher.tasks.labels import labels_of_sets
from golem_launcher.tasks.notebook import execute_notebook
from golem_launcher.tasks.parameters import MOST_SETS, is_notebook
from golem_launcher.tasks.record import Line
from golem_launcher.tasks.scheduler import Fault
from golem_launcher.untrusted_json import json_value
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.payload import Answer, Payload, TaskOutput
    from golem_launcher.tasks.record import JobDirectory, JobRecord
    from golem_launcher.tasks.scheduler import Attempt

_LARGEST_WHOLE = 1 << 63
_LARGEST_TOLD = 4 * 1024 * 1024
_MOST_SCRAPS = 200
_LONGEST_SCRAP = 4000
"""Characters of its JSON; what is longer is cut, as over there."""
_MOST_SCRAPPED = 64 * 1024
"""Characters of all scraps of a notebook: a table has those of thousands in memory at once."""
_LARGEST_NOTEBOOK = 512 * 1024 * 1024
_NOTEBOOK = "notebook.ipynb"
"""The notebook as it was when the sweep began, in the job's directory."""
_ENGINE = "papermill"
"""What executes a notebook over there."""


class Sweep(BaseModel):
    """What ``golem-launcher sweep`` was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notebook: str
    """Its name, without the ending."""
    sets: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=MOST_SETS)
    kernel: str = ""
    """Of the provider's; empty: the notebook's own, or python3."""
    output: str
    timeout: float = Field(default=3600.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=20)
    stop_at_failure: bool = False
    request: LaunchRequest

    @property
    def labels(self) -> list[str]:
        """The name of each output notebook, without the ending."""
        return labels_of_sets(self.sets)

    @property
    def verify(self) -> int:
        """Outputs of notebooks have the time of day in them: no two are alike."""
        return 1


def read_notebook(path: Path) -> bytes:
    """A notebook's file. Raises ``RequestError`` for what is none."""
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise RequestError(f"The notebook {path} can't be read: {error.strerror or error}.") from None
    if len(data) > _LARGEST_NOTEBOOK or not is_notebook(data):
        raise RequestError(f"{path} is no notebook that can be read.")
    return data


def keep_notebook(data: bytes, directory: JobDirectory) -> None:
    """Keep the notebook with the job, so that all of a sweep execute the same."""
    files.write_atomic(directory.path / _NOTEBOOK, data)


def new_sweep(
    notebook: str,
    sets: Sequence[dict[str, Any]],
    request: dict[str, Any],
    *,
    workers: int = 3,
    inputs: Sequence[str] = (),
    output: Path | None = None,
    **more: Any,
) -> Sweep:
    """A sweep of the notebook of that name; ``request``: fields of a request, ``more``: of a :class:`Sweep`.

    What comes back goes to ``output``, or to a directory of its name where the command runs. Raises ``RequestError``.
    """
    packages = tuple(request.get("packages", ()))
    if not any(one.lower().startswith(_ENGINE) for one in packages):
        packages = (*packages, _ENGINE)
    asked = {
        "name": record.new_name(),
        **request,
        "packages": packages,
        "inputs": tuple(inputs),
        "machines": min(workers, len(sets)),
        "workload": "tasks",
        "save": False,
    }
    asked_here = client.with_absolute_paths(parse_request(asked))
    place = (output or Path(asked_here.name)).expanduser().absolute()
    return parsed(Sweep, {**more, "notebook": notebook, "sets": sets, "output": str(place), "request": asked_here})


def sweep_in(directory: JobDirectory) -> Sweep:
    """The sweep of a job's directory. Raises ``SessionDamaged``, and ``RequestError`` for another kind of job."""
    description = directory.description()
    if isinstance(description, dict) and "command" in description:
        raise RequestError(
            f"The job '{directory.name}' is no sweep.", f"Go on with it: golem-launcher run --resume {directory.name}"
        )
    return directory.understood(description, Sweep)


class SweepTasks:
    """The notebooks of a sweep; a runner's source."""

    def __init__(
        self,
        sweep: Sweep,
        directory: JobDirectory,
        record: JobRecord,
        told: Callable[[JobEvent], None],
        stop: Callable[[], None],
    ) -> None:
        self._sweep = sweep
        self._notebook = directory.path / _NOTEBOOK
        self._record = record
        self._told = told
        self._stop = stop
        self._output = Path(sweep.output)
        self._labels = sweep.labels
        self._shipped = ship(execute_notebook)
        self._names: dict[str, str] = {}
        self._per_hour: dict[str, Decimal] = {}
        self._failed: dict[int, tuple[Attempt, Answer]] = {}
        """The last answer of notebooks of which a cell failed."""

    def payload(self, task: int) -> Payload:
        """The notebook and this task's parameters."""
        sweep = self._sweep
        arguments = (self._notebook, f"{self._labels[task]}.ipynb", sweep.sets[task], sweep.kernel)
        return call_payload(self._shipped, arguments, {}, seconds=sweep.timeout)

    def fault(self, attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why the notebook is not done: a cell that fails is the notebook's, and no other provider's to mend."""
        if answer.timed_out:
            return f"it took longer than {self._sweep.timeout:g} s", Fault.OPEN
        told = _told(answer)
        if told is None:
            error = output_named(answer, "error.json")
            words = error_told(error)[1] if error is not None else answer.last_line
            return words or f"exit code {answer.exit}", Fault.OPEN
        if told["error"]:
            self._failed[attempt.task] = attempt, answer
            return clean_line(told["error"]), Fault.FINAL
        return None

    async def check(self, _task: int, answer: Answer) -> str:
        """Whether there is a notebook in it."""
        return "" if _told(answer) is not None and _notebook_in(answer) is not None else "it sent no notebook"

    async def keep(self, results: Sequence[tuple[Attempt, Answer]]) -> None:
        """The output notebooks, after each the line that says so."""

        def write() -> None:
            for attempt, answer in results:
                self._write("done", attempt, answer, "")

        await asyncio.to_thread(write)

    async def give_up(self, task: int, reason: str) -> None:
        """What there is of the notebook, with the error in it, then the line."""
        known = self._failed.pop(task, None)
        if known is not None:
            await asyncio.to_thread(self._write, "failed", *known, reason)
        else:
            line = Line(kind="failed", task=task, reason=clean_line(reason))
            await asyncio.to_thread(self._record.add, line, sure=True)
        if self._sweep.stop_at_failure:
            self._stop()

    def told(self, happened: JobEvent) -> None:
        """Remember what machines are called and cost."""
        if isinstance(happened, MachineReady):
            self._names[happened.worker.provider] = happened.provider_name
            self._per_hour[happened.worker.provider] = happened.per_hour or Decimal(0)
        self._told(happened)

    def _write(self, kind: Any, attempt: Attempt, answer: Answer, reason: str) -> None:
        told, notebook = _told(answer) or {}, _notebook_in(answer)
        self._output.mkdir(parents=True, exist_ok=True)
        name = f"{self._labels[attempt.task]}.ipynb"
        if notebook is not None:
            partial = self._output / f".{name}"
            partial.unlink(missing_ok=True)
            result_files.put(notebook, partial)
            files.sync_file(partial)
            partial.replace(self._output / name)
            files.sync_directory(self._output)
        provider = attempt.worker.provider
        cost = self._per_hour.get(provider, Decimal(0)) * Decimal(answer.seconds) / 3600
        line = Line(
            kind=kind,
            task=attempt.task,
            provider=provider,
            provider_name=self._names.get(provider, ""),
            seconds=answer.seconds,
            reason=clean_line(reason),
            cost=f"{cost:.6f}",
            more={"notebook": name if notebook is not None else "", "scraps": _scraps(told)},
        )
        self._record.add(line, sure=True)


def _told(answer: Answer) -> dict[str, Any] | None:
    """What the function said, where it is what it says; the notebook itself is left alone."""
    output = output_named(answer, "value.json")
    if output is None or output.size > _LARGEST_TOLD:
        return None
    data = output.content if isinstance(output.content, bytes) else output.content.read_bytes()
    try:
        told = decode(json_value(data, most=_LARGEST_TOLD), lambda _: b"", lambda number: number)
    except (ValueError, TypeError, RecursionError):
        return None
    fits = isinstance(told, dict) and isinstance(told.get("error"), str) and isinstance(told.get("scraps"), dict)
    return told if fits else None


def _scraps(told: dict[str, Any]) -> dict[str, Any]:
    """What the notebook glued, within bounds: each name is a column of the summary, each value a cell of it."""
    found: dict[str, Any] = {}
    left = _MOST_SCRAPPED
    for name, value in itertools.islice(told.get("scraps", {}).items(), _MOST_SCRAPS):
        plain = isinstance(value, bool | float | None) or (isinstance(value, int) and abs(value) < _LARGEST_WHOLE)
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        left -= min(len(text), _LONGEST_SCRAP)
        if left >= 0:
            found[clean_line(name, longest=60)] = value if plain else clean_line(text, longest=_LONGEST_SCRAP)
    return found


def _notebook_in(answer: Answer) -> TaskOutput | None:
    found = [output for output in answer.outputs if output.name.endswith(".ipynb")]
    return found[0] if len(found) == 1 else None
