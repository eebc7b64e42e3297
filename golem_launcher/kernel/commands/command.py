"""What a command is: its name, its help, what it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output


def _nothing(_notebook: Notebook, _before: str) -> list[str]:
    return []


@dataclass(frozen=True)
class Command:
    """One command of a notebook."""

    name: str
    usage: str
    """What may follow the name."""
    sentence: str
    """What it does."""
    run: Callable[[Notebook, CommandCall, Output], Awaitable[None]]
    """Raises ``LauncherError``, which the cell then fails with."""
    examples: tuple[str, ...] = field(default=())
    """As they are typed."""
    more: str = ""
    """Further sentences for its help."""
    completions: Callable[[Notebook, str], list[str]] = _nothing
    """Words that may follow what was typed after the name."""
    takes_cell: bool = False
    """Whether it stands at the head of a cell, with two signs, and takes the rest."""

    before_cell: bool = False
    """Whether it is such a one, and the rest is run over there once it is done."""

    alone: bool = False
    """Whether it is ours without words alone: IPython has one of that name."""

    @property
    def sign(self) -> str:
        """The command as it is typed: ``%connect``."""
        return f"{'%%' if self.takes_cell else '%'}{self.name}"

    @property
    def help(self) -> str:
        """What ``%NAME?`` shows: usage, what it does, examples."""
        lines = [f"{self.sign} {self.usage}".rstrip(), "", f"{self.sentence} {self.more}".rstrip()]
        if self.examples:
            lines += ["", "Examples:", *(f"    {example}" for example in self.examples)]
        return "\n".join(lines)
