"""The table of a sweep beside its notebooks: a row for each set of parameters, and what became of it.

What a provider said is text in it, and no formula.
"""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import files
from golem_launcher.tasks.labels import SUMMARIES
from golem_launcher.untrusted_text import clean_line, spreadsheet_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from golem_launcher.tasks.record import Line
    from golem_launcher.tasks.sweep import Sweep

_SCRAP = "scrap."
_MOST_SCRAPS = 200
"""Columns of them, those that most notebooks have: a stranger who makes up names makes a table of billions of cells."""
_LARGEST_WHOLE = 1 << 63
_COLUMNS = ("status", "seconds", "cost", "provider", "error", "notebook")


def write_summary(sweep: Sweep, lines: Iterable[Line]) -> list[Path]:
    """Tables of a sweep beside its notebooks; where they are. Blocking. Raises ``OSError``.

    CSV and HTML, and where pyarrow is installed Parquet.
    """
    last = {line.task: line for line in lines if line.kind in {"done", "failed"}}
    rows = [_row(number, parameters, last.get(number)) for number, parameters in enumerate(sweep.sets)]
    scraps = Counter(name for row in rows for name in row if name.startswith(_SCRAP))
    shown = {name for name, _ in scraps.most_common(_MOST_SCRAPS)}
    named = dict.fromkeys(itertools.chain(*(one for one in sweep.sets), _COLUMNS, *rows))
    columns = [name for name in named if name in shown or not name.startswith(_SCRAP)]
    output = Path(sweep.output)
    output.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    written = [output / name for name in SUMMARIES]
    files.write_atomic(written[0], table.getvalue().encode(), mode=0o644)
    files.write_atomic(written[1], _page(sweep.notebook, columns, rows).encode(), mode=0o644)
    parquet = _parquet(columns, rows)
    if parquet is None:
        return written[:-1]
    files.write_atomic(written[-1], parquet, mode=0o644)
    return written


def _row(number: int, parameters: dict[str, Any], line: Line | None) -> dict[str, Any]:
    row = {**parameters, "status": "missing" if line is None else line.kind}
    if line is not None:
        scraps = line.more.get("scraps")
        row |= {
            "seconds": round(line.seconds, 2),
            "cost": Decimal(line.cost),
            "provider": line.provider_name or line.provider,
            "error": line.reason,
            "notebook": line.more.get("notebook", ""),
        }
        for name, value in scraps.items() if isinstance(scraps, dict) else ():
            row.setdefault(f"{_SCRAP}{clean_line(str(name), longest=60)}", value)
    row["number"] = number + 1
    return row


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    return spreadsheet_cell(_text(value))


def _parquet(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes | None:
    """The table with a type for each column: numbers where all of it are, else text; ``None`` without pyarrow."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        return None
    arrays = [_of_one_type([row.get(column) for row in rows]) for column in columns]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays([pa.array(array) for array in arrays], names=list(columns)), sink)
    return bytes(sink.getvalue())


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    found = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in found):
        return list(values)
    numbers = all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in found)
    if numbers and all(isinstance(value, int) and abs(value) < _LARGEST_WHOLE for value in found):
        return list(values)
    if numbers:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else _text(value) for value in values]


def _text(value: Any) -> str:
    return clean_line(value if isinstance(value, str) else json.dumps(value, default=str))


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
