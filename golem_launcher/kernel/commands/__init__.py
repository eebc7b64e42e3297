"""The commands of a notebook: ``%connect`` and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.kernel.cells import Names
from golem_launcher.kernel.commands import attaching, files, local_cell, money, session, syncing, watching
from golem_launcher.kernel.commands import help as helping

if TYPE_CHECKING:
    from golem_launcher.kernel.commands.command import Command
    from golem_launcher.kernel.notebook import Notebook

ALL: dict[str, Command] = {
    one.name: one
    for one in (
        *helping.COMMANDS,
        *money.COMMANDS,
        *session.COMMANDS,
        *attaching.COMMANDS,
        *files.COMMANDS,
        *syncing.COMMANDS,
        *watching.COMMANDS,
        *local_cell.COMMANDS,
    )
}
"""By name, in the order of help."""
NAMES = Names(
    lines=frozenset(name for name, one in ALL.items() if not one.takes_cell),
    cells=frozenset(name for name, one in ALL.items() if one.takes_cell),
    alone=frozenset(name for name, one in ALL.items() if one.alone),
)


def complete(notebook: Notebook, line: str) -> tuple[list[str], int] | None:
    """What may stand at the end of a line that is a command's; and how many characters of it that replaces."""
    typed = line.lstrip()
    if not typed.startswith("%"):
        return None
    word, blank, rest = typed.partition(" ")
    if not blank:
        found = [one.sign for one in ALL.values() if one.sign.startswith(word)]
        return (found, len(word)) if found else None
    command = ALL.get(word.lstrip("%"))
    if command is None or command.sign != word:
        return None
    last = rest.rpartition(" ")[2]
    return [one for one in command.completions(notebook, rest) if one.startswith(last)], len(last)
