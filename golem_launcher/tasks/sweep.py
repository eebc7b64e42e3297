"""A sweep: one notebook, executed for each of many sets of parameters, as papermill does it."""

from __future__ import annotations

import ast
import asyncio
import csv
import html
import io
import itertools
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from golem_launcher import files
from golem_launcher.agent.task_values import decode
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import placing
from golem_launcher.tasks.executor import call_payload, error_told, output_named
from golem_launcher.tasks.function import ship
from golem_launcher.tasks.job import labels_of
from golem_launcher.tasks.notebook import execute_notebook
from golem_launcher.tasks.record import Line
from golem_launcher.tasks.scheduler import Fault
from golem_launcher.text import clean_line
from golem_launcher.untrusted import json_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from golem_launcher.tasks.record import JobDirectory, Record
    from golem_launcher.tasks.runner import Happened
    from golem_launcher.tasks.scheduler import Attempt
    from golem_launcher.tasks.task_client import Answer, Output, Payload

_MOST_SETS = 10_000
_LARGEST_FILE = 16 * 1024 * 1024
_LARGEST_WHOLE = 1 << 63
_LARGEST_TOLD = 4 * 1024 * 1024
_MOST_SCRAPS = 200
_LONGEST_SCRAP = 4000
"""Characters of its JSON; what is longer is cut, as over there."""
_LARGEST_NOTEBOOK = 512 * 1024 * 1024
_NOTEBOOK = "notebook.ipynb"
"""The notebook as it was when the sweep began, in the job's directory."""
_WHOLE = re.compile(r"[+-]?\d+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_COLUMNS = ("status", "seconds", "cost", "provider", "error", "notebook")


class Sweep(BaseModel):
    """What ``golem-launcher sweep`` was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notebook: str
    """Its name, without the ending."""
    sets: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=_MOST_SETS)
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
        return labels_of(["-".join(f"{name}={value}" for name, value in one.items()) or "run" for one in self.sets])

    @property
    def verify(self) -> int:
        """Outputs of notebooks have the time of day in them: no two are alike."""
        return 1


def sets_of(options: Sequence[str], file: Path | None) -> tuple[dict[str, Any], ...]:
    """Every combination of ``--param name=a,b`` with the rows of ``--param-file``. Raises ``RequestError``."""
    axes: list[list[dict[str, Any]]] = [_rows(file)] if file is not None else []
    given: set[str] = set()
    for option in options:
        name, equals, values = option.partition("=")
        if not equals or not values.strip() or not name.isidentifier():
            raise RequestError(f"--param {option}: it is a name and values, like lr=0.1,0.01.")
        if name in given:
            raise RequestError(f"--param {name} is given twice.", f"All its values in one: --param {name}=1,2")
        given.add(name)
        axes.append([{name: _value(one)} for one in next(csv.reader([values], skipinitialspace=True), [])])
    count = 1
    for axis in axes:
        count *= len(axis)
    if not 0 < count <= _MOST_SETS:
        raise RequestError(f"That makes {count} sets of parameters; 1 to {_MOST_SETS} make a sweep.")
    return tuple({key: value for part in parts for key, value in part.items()} for parts in itertools.product(*axes))


def _rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file with a line of names, or a JSON list of objects."""
    try:
        text = file.expanduser().read_bytes()[:_LARGEST_FILE].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "it is no text"
        raise RequestError(f"The file {file} can't be read: {why}.") from None
    try:
        if file.suffix == ".json":
            rows = json.loads(text)
        else:
            rows = [{name: _value(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
    except (ValueError, csv.Error, RecursionError, AttributeError, TypeError):
        rows = None
    fits = isinstance(rows, list) and all(isinstance(row, dict) and all(map(_is_name, row)) for row in rows)
    if not fits or not isinstance(rows, list):
        raise RequestError(
            f"The file {file} is no list of parameters.", "A line of names, and then a row for each set."
        )
    return rows


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier()


def _value(text: str) -> Any:
    """A value as papermill's ``-p`` reads it."""
    plain = text.strip()
    if plain.lower() in _WORDS:
        return _WORDS[plain.lower()]
    if _WHOLE.fullmatch(plain):
        return int(plain)
    try:
        return float(plain)
    except ValueError:
        return text


def read_notebook(path: Path) -> bytes:
    """A notebook's file. Raises ``RequestError`` for what is none."""
    try:
        data = path.expanduser().read_bytes()
        if len(data) > _LARGEST_NOTEBOOK or not isinstance(json.loads(data).get("cells"), list):
            raise ValueError  # noqa: TRY301 - it is told below
    except OSError as error:
        raise RequestError(f"The notebook {path} can't be read: {error.strerror or error}.") from None
    except (ValueError, AttributeError, RecursionError):
        raise RequestError(f"{path} is no notebook that can be read.") from None
    return data


def keep_notebook(data: bytes, directory: JobDirectory) -> None:
    """Keep the notebook with the job, so that all of a sweep execute the same."""
    files.write_atomic(directory.path / _NOTEBOOK, data)


def unheeded(notebook: bytes, sets: Iterable[dict[str, Any]]) -> str:
    """What who pays should know of parameters that the notebook may never look at, in a sentence; or nothing."""
    names = dict.fromkeys(itertools.chain(*sets))
    sources = [_source(cell) for cell in json.loads(notebook)["cells"] if "parameters" in _tags(cell)]
    if not names:
        return ""
    if not sources:
        return "No cell of the notebook is tagged 'parameters': values go before its first cell, and its own win."
    try:
        tree = ast.parse("\n".join(sources))
    except (SyntaxError, ValueError, RecursionError):
        return ""  # another language, or magics
    set_there = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    odd = [name for name in names if name not in set_there]
    return f"The cell tagged 'parameters' does not set {', '.join(odd)}: is the name right?" if odd else ""


def _tags(cell: Any) -> Any:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else ()


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def sweep_in(directory: JobDirectory) -> Sweep:
    """The sweep of a job's directory. Raises ``SessionDamaged``, and ``RequestError`` for another kind of job."""
    description = directory.description()
    if isinstance(description, dict) and "command" in description:
        raise RequestError(
            f"The job '{directory.name}' is no sweep.", f"Go on with it: golem-launcher run --resume {directory.name}"
        )
    return directory.understood(description, Sweep)


class SweepTasks:
    """The notebooks of a sweep; a runner's owner."""

    def __init__(
        self,
        sweep: Sweep,
        directory: JobDirectory,
        record: Record,
        told: Callable[[Happened], None],
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

    async def keep(self, attempt: Attempt, answer: Answer) -> None:
        """The output notebook, then the line that says so."""
        await asyncio.to_thread(self._write, "done", attempt, answer, "")

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

    def told(self, happened: Happened) -> None:
        """Remember what machines are called and cost."""
        if happened.kind == "ready" and happened.worker is not None:
            self._names[happened.worker.provider] = happened.text
            self._per_hour[happened.worker.provider] = happened.per_hour or Decimal(0)
        self._told(happened)

    def _write(self, kind: Any, attempt: Attempt, answer: Answer, reason: str) -> None:
        told, notebook = _told(answer) or {}, _notebook_in(answer)
        self._output.mkdir(parents=True, exist_ok=True)
        name = f"{self._labels[attempt.task]}.ipynb"
        if notebook is not None:
            draft = self._output / f".{name}"
            draft.unlink(missing_ok=True)
            placing.put(notebook, draft)
            draft.replace(self._output / name)
            placing.sync(self._output)
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


def write_summary(sweep: Sweep, lines: Iterable[Line]) -> list[Path]:
    """Tables of a sweep beside its notebooks; where they are. Blocking. Raises ``OSError``.

    What a provider said is text in them, and no formula.
    """
    last = {line.task: line for line in lines if line.kind in {"done", "failed"}}
    rows = [_row(number, parameters, last.get(number)) for number, parameters in enumerate(sweep.sets)]
    columns = list(dict.fromkeys(itertools.chain(*(one for one in sweep.sets), _COLUMNS, *rows)))
    output = Path(sweep.output)
    output.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    written = [output / "summary.csv", output / "summary.html"]
    files.write_atomic(written[0], table.getvalue().encode(), mode=0o644)
    files.write_atomic(written[1], _page(sweep.notebook, columns, rows).encode(), mode=0o644)
    return written


def _row(number: int, parameters: dict[str, Any], line: Line | None) -> dict[str, Any]:
    row = {**parameters, "status": "missing" if line is None else line.kind}
    if line is not None:
        scraps = line.more.get("scraps")
        row |= {
            "seconds": round(line.seconds, 2),
            "cost": line.cost,
            "provider": line.provider_name or line.provider,
            "error": line.reason,
            "notebook": line.more.get("notebook", ""),
        }
        for name, value in scraps.items() if isinstance(scraps, dict) else ():
            row.setdefault(f"scrap.{clean_line(str(name), longest=60)}", value)
    row["number"] = number + 1
    return row


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = clean_line(value if isinstance(value, str) else json.dumps(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _page(title: str, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    def cells(tag: str, values: Iterable[Any]) -> str:
        return "".join(f"<{tag}>{html.escape('' if one is None else str(one))}</{tag}>" for one in values)

    body = "\n".join(f"<tr>{cells('td', (_cell(row.get(one, '')) for one in columns))}</tr>" for row in rows)
    name = html.escape(title)
    return (
        "<!doctype html>\n<meta charset=utf-8>\n"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{name}</title>\n<style>body{{font:14px sans-serif}}td,th{{padding:2px 8px;text-align:left;"
        f"border-bottom:1px solid #ccc}}</style>\n<h1>{name}</h1>\n<table>\n<tr>{cells('th', columns)}</tr>\n{body}\n"
        "</table>\n"
    )


def _told(answer: Answer) -> dict[str, Any] | None:
    """What the function said, where it is what it says; the notebook itself is left alone."""
    output = output_named(answer, "value.json")
    if output is None or output.size > _LARGEST_TOLD:
        return None
    data = output.data if output.data is not None else output.path.read_bytes() if output.path is not None else b""
    try:
        told = decode(json_value(data, most=_LARGEST_TOLD), lambda _: b"", lambda number: number)
    except (ValueError, TypeError, RecursionError):
        return None
    fits = isinstance(told, dict) and isinstance(told.get("error"), str) and isinstance(told.get("scraps"), dict)
    return told if fits else None


def _scraps(told: dict[str, Any]) -> dict[str, Any]:
    """What the notebook glued, within bounds: each name is a column of the summary, each value a cell of it."""
    found: dict[str, Any] = {}
    for name, value in itertools.islice(told.get("scraps", {}).items(), _MOST_SCRAPS):
        plain = isinstance(value, bool | float | None) or (isinstance(value, int) and abs(value) < _LARGEST_WHOLE)
        text = value if isinstance(value, str) else json.dumps(value)
        found[clean_line(name, longest=60)] = value if plain else clean_line(text, longest=_LONGEST_SCRAP)
    return found


def _notebook_in(answer: Answer) -> Output | None:
    found = [output for output in answer.outputs if output.name.endswith(".ipynb")]
    return found[0] if len(found) == 1 else None
