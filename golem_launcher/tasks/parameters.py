"""The sets of parameters of a sweep, and the parameters that a notebook says it has. Nothing of it is executed."""

from __future__ import annotations

import ast
import csv
import functools
import io
import itertools
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import RequestError
from golem_launcher.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MOST_SETS = 10_000
_MOST_NAMED = 10
_LARGEST_FILE = 16 * 1024 * 1024
_WHOLE = re.compile(r"[+-]?\d{1,4000}")
"""Python reads no more digits than 4300."""
_WORDS = {"true": True, "false": False, "none": None, "null": None}


class ParameterNameError(RequestError):
    """There is no parameter of the name ``field``, whatever its values."""


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
        axes.append([{name: value} for value in _listed(name, values)])
    return _combined(axes)


def sets_typed(typed: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """Every combination of what was typed for each parameter: a value, or several with commas between them.

    Values are Python's literals, as in the notebook's own cell, else what :func:`sets_of` takes them for. A parameter
    for which nothing was typed is left as it is. Raises ``RequestError`` whose ``field`` is the parameter.
    """
    axes = []
    for name, text in typed.items():
        if not name.isidentifier():
            raise ParameterNameError(f"'{name:.40}' is no name of a parameter.", field=name)
        if text.strip():
            axes.append([{name: value} for value in _values_typed(name, text.strip())])
    return _combined(axes)


def _combined(axes: Sequence[Sequence[dict[str, Any]]]) -> tuple[dict[str, Any], ...]:
    for name, value in itertools.chain(*(row.items() for axis in axes for row in axis)):
        if not _is_plain(value):
            what = f"{value!r:.80} is no value of a parameter"
            raise RequestError(f"{what}: it must be one that JSON knows, and a number finite.", field=name)
    count = math.prod(map(len, axes))
    if not 0 < count <= MOST_SETS:
        raise RequestError(f"That makes {count:,} sets of parameters; 1 to {MOST_SETS:,} make a sweep.")
    return tuple({key: value for part in parts for key, value in part.items()} for parts in itertools.product(*axes))


def _values_typed(name: str, text: str) -> list[Any]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return _listed(name, text)
    if found == ():
        raise RequestError("These are no values: () is empty.", field=name)
    return list(found) if isinstance(found, tuple) else [found]


def _listed(name: str, text: str) -> list[Any]:
    """The values that stand in ``text`` with commas between them."""
    try:
        return [_value(one) for one in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:
        what = f"What is given for {name} can't be read as values with commas between them"
        raise RequestError(f"{what}: it is too long, or has more than a line.", field=name) from None


def _is_plain(value: Any) -> bool:
    """Whether papermill can write it into a notebook of any language, and a job's file keeps it as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or isinstance(value, bool | int | str)


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


def is_notebook(data: bytes) -> bool:
    """Whether these bytes are a notebook, as far as a sweep looks into it."""
    try:
        cells = json.loads(data).get("cells")
    except (ValueError, AttributeError, RecursionError):
        return False
    return isinstance(cells, list)


@dataclass(frozen=True)
class Parameter:
    """One that a notebook's cell sets."""

    name: str
    default: str
    """As the cell has it."""
    comment: str = ""
    """What stands behind it in its line."""


def parameters_in(notebook: bytes) -> list[Parameter]:
    """Those that the cells tagged ``parameters`` set, in their order; none where these are in another language."""
    found: dict[str, Parameter] = {}
    for source in _tagged(notebook):
        lines = source.splitlines()
        for node in _assignments(source):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and node.value is not None:
                behind = lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset or 0 :].decode().strip()
                comment = behind.lstrip("# ") if behind.startswith("#") else ""
                found[target.id] = Parameter(target.id, ast.unparse(node.value), comment)
    return list(found.values())


def _assignments(source: str) -> Iterator[ast.Assign | ast.AnnAssign]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # another language, or magics
    yield from (node for node in body if isinstance(node, ast.Assign | ast.AnnAssign))


def unheeded(notebook: bytes, sets: Iterable[dict[str, Any]]) -> str:
    """What who pays should know of parameters that the notebook may never look at, in a sentence; or nothing."""
    if _tagged(notebook) or not any(sets):
        return ""
    return "No cell of the notebook is tagged 'parameters': values go before its first cell, and its own win."


def takes_others(notebook: bytes, shown: Iterable[str]) -> bool:
    """Whether :func:`check_names` takes any name beside those that are ``shown``."""
    known = _set_there(notebook)
    return not known or not set(known).issubset(shown)


def check_names(notebook: bytes, sets: Iterable[dict[str, Any]]) -> None:
    """Raise ``ParameterNameError`` for a parameter that the cells tagged ``parameters`` do not set.

    Any name will do where no cell is tagged, or what they set can't be told. Called before anything is paid: papermill
    executes the notebook all the same, with its own value.
    """
    known = _set_there(notebook)
    odd = next((name for name in itertools.chain(*sets) if name not in known), None)
    if known and odd is not None:
        raise ParameterNameError(
            f"The notebook has no parameter '{odd:.80}'.",
            f"{did_you_mean(odd, known)} Its cell tagged 'parameters' sets {', '.join(known[:_MOST_NAMED])}.".lstrip(),
            field=odd,
        )


@functools.lru_cache(maxsize=1)  # the page asks as often as somebody types, and always of the same notebook
def _set_there(notebook: bytes) -> tuple[str, ...]:
    """All names that the cells tagged ``parameters`` set; none where that can't be told."""
    try:
        nodes = list(ast.walk(ast.parse("\n".join(_tagged(notebook)))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # another language, or magics
    if any(isinstance(node, ast.alias) and node.name == "*" for node in nodes):
        return ()
    names = (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return tuple(dict.fromkeys(names))


def _tagged(notebook: bytes) -> list[str]:
    """What the cells say that are tagged ``parameters``."""
    return [_source(cell) for cell in json.loads(notebook)["cells"] if "parameters" in _tags(cell)]


def _tags(cell: Any) -> Any:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else ()


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
