"""A line in a terminal that says how far something is, how fast, and how long still; nothing where nobody looks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from golem_launcher.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Told = Callable[[int, int], None]
    """How much is done, and of how much."""


@contextlib.contextmanager
def transfer_bar(what: str, *, unit: str = "bytes", hidden: bool = False) -> Iterator[Told]:
    """Show how far ``what`` is while the block runs, as what is yielded is told; it is gone afterwards."""
    if hidden or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column
    from rich.text import Text

    class Figures(ProgressColumn):
        """The figures as everywhere else."""

        def render(self, task: Task) -> Text:
            done, total = task.completed, task.total or 0.0
            far = Progress(what=what, done=done, total=total, unit=unit, rate=task.speed or 0.0)
            return Text(far.figures, no_wrap=True)

    drawn = BarColumn(bar_width=None, table_column=Column(ratio=1))  # it has what the figures leave
    with Bar(TextColumn(what), drawn, Figures(), console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
