"""``%help``."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from golem_launcher.kernel.commands.command import Command
from golem_launcher.kernel.output import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output

_MORE = "More about one: %connect?  All other lines, IPython's own commands among them, run at the provider."
_PIP = (
    "%pip install pandas",
    "Packages over there: install, uninstall, list. They come back on another provider, too.",
)
_CELL = "text-align:left;padding:0 1em 0 0;vertical-align:top"


def help_on(others: Sequence[Command]) -> Command:
    """``%help``, which tells of itself and these ``others``."""

    async def run(_notebook: Notebook, call: CommandCall, output: Output) -> None:
        commands = {one.name: one for one in (command, *others)}
        wanted = call.words.lstrip("%")
        if wanted in commands:
            await output.say(commands[wanted].help)
        else:
            await output.show(_table(commands.values()))

    command = Command("help", "[COMMAND]", "Says what commands there are.", run, ("%help",))
    return command


def _table(commands: Iterable[Command]) -> Shown:
    """An example and a sentence for each, and for IPython's ``%pip``, which is good to know of."""
    rows = [(one.examples[0] if one.examples else one.sign, one.sentence) for one in commands]
    rows.append(_PIP)
    text = "\n".join(f"{example:<44}{sentence}" for example, sentence in rows)
    body = "".join(
        f'<tr><td style="{_CELL}"><code>{html.escape(example)}</code></td>'
        f'<td style="{_CELL}">{html.escape(sentence)}</td></tr>'
        for example, sentence in rows
    )
    return Shown(f"{text}\n\n{_MORE}", f"<table>{body}</table><p>{html.escape(_MORE)}</p>")
