"""All commands of a notebook by their names, and what clients ask about them: help and completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.kernel.cell_parser import Names
from golem_launcher.kernel.commands import (
    attaching,
    connecting,
    files,
    gpu_cells,
    local_cell,
    money,
    running_session,
    syncing,
)
from golem_launcher.kernel.commands.help import help_on

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.commands.command import Command
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output

_OTHERS = (
    *money.COMMANDS,
    *connecting.COMMANDS,
    *attaching.COMMANDS,
    *files.COMMANDS,
    *syncing.COMMANDS,
    *running_session.COMMANDS,
    *local_cell.COMMANDS,
    *gpu_cells.COMMANDS,
)
COMMANDS: dict[str, Command] = {one.name: one for one in (help_on(_OTHERS), *_OTHERS)}
"""By name, in the order of help."""
NAMES = Names(
    lines=frozenset(name for name, one in COMMANDS.items() if not one.takes_cell),
    cells=frozenset(name for name, one in COMMANDS.items() if one.takes_cell),
    alone=frozenset(name for name, one in COMMANDS.items() if one.alone),
)


async def run(notebook: Notebook, call: CommandCall, output: Output) -> None:
    """Run the command that a cell calls, or show its help where it asks for that. Raises ``LauncherError``."""
    command = COMMANDS[call.name]
    if call.asks:
        await output.say(command.help)
    else:
        await command.run(notebook, call, output)


def about_commands(message: JupyterMessage, notebook: Notebook) -> dict[str, Any] | None:
    """The reply to a completion or an inspection within a line that is a command of ours; ``None`` for all else."""
    if message.kind not in {"complete_request", "inspect_request"}:
        return None
    content = message.content()
    code, cursor = str(content.get("code", "")), int(content.get("cursor_pos", 0))
    start = code.rfind("\n", 0, cursor) + 1
    line, end = code[start:cursor], code.find("\n", cursor)
    if message.kind == "inspect_request":
        command = _command_in(code[start : end if end >= 0 else len(code)])
        if command is None:
            return None
        return {"status": "ok", "found": True, "data": {"text/plain": command.help}, "metadata": {}}
    found = _completions(notebook, line)
    if found is None:
        return None
    matches, length = found
    return {
        "status": "ok",
        "matches": matches,
        "cursor_start": cursor - length,
        "cursor_end": cursor,
        "metadata": {},
    }


def _command_in(line: str) -> Command | None:
    word = line.strip().split(maxsplit=1)[0] if line.strip() else ""
    name = word.strip("?").lstrip("%")
    return COMMANDS.get(name) if word.lstrip("?").startswith("%") else None


def _completions(notebook: Notebook, line: str) -> tuple[list[str], int] | None:
    """What may stand at the end of a line that is a command's, and how many characters of it that replaces."""
    typed = line.lstrip()
    if not typed.startswith("%"):
        return None
    word, blank, rest = typed.partition(" ")
    if not blank:
        found = [one.sign for one in COMMANDS.values() if one.sign.startswith(word)]
        return (found, len(word)) if found else None
    command = COMMANDS.get(word.lstrip("%"))
    if command is None or command.sign != word:
        return None
    last = rest.rpartition(" ")[2]
    return [one for one in command.completions(notebook, rest) if one.startswith(last)], len(last)
