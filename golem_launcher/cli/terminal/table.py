"""Tables in a terminal: a head, columns that fit the terminal's width, colour there and nowhere else."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING

from golem_launcher.cli.terminal.printing import print_line
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BETWEEN = "  "
_BOLD = 1
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "bright_black": 90}
"""As terminals know them (ECMA-48)."""
_LEAST = 8
"""Characters that a column keeps, however narrow the terminal is."""


def show_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    give_way: Sequence[str] = (),
    right: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
) -> None:
    """Print rows below their head.

    In a terminal that is too narrow the columns named in ``give_way`` are cut, the first of them first; in a pipe
    nothing is. Columns named in ``right`` end at the right. ``colours``: of cells, by their first word.
    """
    cells = [list(head), *([clean_line(cell) for cell in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    terminal = sys.stdout.isatty()
    if terminal:
        _narrow(widths, [head.index(name) for name in give_way], shutil.get_terminal_size().columns)
    coloured = terminal and not os.environ.get("NO_COLOR")
    for number, row in enumerate(cells):
        shown = [
            _aligned(cell, width, right=name in right) for cell, width, name in zip(row, widths, head, strict=True)
        ]
        while shown and not shown[-1].strip():
            shown.pop()
        if shown:
            shown[-1] = shown[-1].rstrip()
        if coloured:
            shown = [_coloured(cell, number == 0, colours or {}) for cell in shown]
        print_line(_BETWEEN.join(shown))


def _narrow(widths: list[int], columns: Sequence[int], most: int) -> None:
    """Take from the widths of ``columns`` what is too much for ``most`` characters."""
    for column in columns:
        over = sum(widths) + len(_BETWEEN) * (len(widths) - 1) - most
        if over > 0:
            widths[column] = max(min(widths[column], _LEAST), widths[column] - over)


def _aligned(cell: str, width: int, *, right: bool) -> str:
    while _width(cell) > width:
        cell = cell[:-2] + "…" if cell.endswith("…") else cell[:-1] + "…"
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space


def _coloured(cell: str, head: bool, colours: Mapping[str, str]) -> str:  # noqa: FBT001 - of this module
    if head:
        return _styled(cell, _BOLD)
    words = cell.split()
    colour = colours.get(words[0]) if words else None
    return _styled(cell, _COLOURS[colour]) if colour else cell


def _styled(cell: str, code: int) -> str:
    return f"\x1b[{code}m{cell}\x1b[0m"


def _width(text: str) -> int:
    """How many columns of a terminal it takes."""
    wide = sum(unicodedata.east_asian_width(one) in {"W", "F"} for one in text)
    marks = sum(bool(unicodedata.combining(one)) for one in text)
    return len(text) + wide - marks
