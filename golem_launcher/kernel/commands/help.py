"""``%help``."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from golem_launcher.kernel.commands.command import Command
from golem_launcher.kernel.output import Shown

if TYPE_CHECKING:
    from golem_launcher.kernel.cells import Call
    from golem_launcher.kernel.notebook import Notebook
    from golem_launcher.kernel.output import Output

_MORE = "More about one: %connect?  All other lines, IPython's own commands among them, run at the provider."
_CELL = "text-align:left;padding:0 1em 0 0;vertical-align:top"


async def _help(_notebook: Notebook, call: Call, output: Output) -> None:
    from golem_launcher.kernel import commands

    wanted = call.words.lstrip("%")
    if wanted in commands.ALL:
        await output.say(commands.ALL[wanted].help)
        return
    rows = [(one, one.examples[0] if one.examples else one.sign) for one in commands.ALL.values()]
    rows += [(_PIP, _PIP.examples[0])]
    text = "\n".join(f"{example:<44}{one.sentence}" for one, example in rows)
    body = "".join(
        f'<tr><td style="{_CELL}"><code>{html.escape(example)}</code></td>'
        f'<td style="{_CELL}">{html.escape(one.sentence)}</td></tr>'
        for one, example in rows
    )
    await output.show(Shown(f"{text}\n\n{_MORE}", f"<table>{body}</table><p>{html.escape(_MORE)}</p>"))


_PIP = Command("pip", "install PACKAGE…", "Packages over there: install, uninstall, list. They come back on another "
               "provider, too.", _help, ("%pip install pandas",))  # fmt: skip

COMMANDS = (Command("help", "[COMMAND]", "Says what commands there are.", _help, ("%help",)),)
