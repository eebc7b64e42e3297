"""``%sync``: a project's folder that is the same here and over there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.kernel.commands.command import Command

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output


async def _sync(notebook: Notebook, call: CommandCall, output: Output) -> None:
    try:
        words = shlex.split(call.words)
    except ValueError:
        raise RequestError("A quote is not closed.") from None
    if not words:
        await notebook.synced.show(output)
    elif words == ["off"]:
        await notebook.synced.stop()
        await output.say("No folder is kept in step any more. All files stay as they are, on both sides.")
    elif len(words) == 1:
        await notebook.synced.begin(_path(words[0]), output)
    else:
        raise RequestError("One folder is kept in step.", "Like: %sync . or %sync src")


def _path(word: str) -> Path:
    return Path(word).expanduser()


def _folders(_notebook: Notebook, before: str) -> list[str]:
    if " " in before.strip():
        return []
    typed = before.strip().rpartition("/")[0]
    try:
        found = sorted(one.name for one in Path(typed or ".").iterdir() if one.is_dir() and one.name[0] != ".")
    except OSError:
        found = []
    return [*(f"{typed}/{name}" if typed else name for name in found), *([] if typed else [".", "off"])]


COMMANDS = (
    Command(
        "sync",
        "[FOLDER|off]",
        "Keeps a folder the same here and over there, in both directions; alone: does so now, and says how it stands.",
        _sync,
        ("%sync .", "%sync src", "%sync", "%sync off"),
        "What is changed here is there within seconds, what is changed there is here when it is saved, and at the end. "
        "What was changed on both sides is kept twice. What is removed on one side is in the folder's .golem-trash. "
        "Links, hidden files and what .golemignore names stay where they are; files that programs run by themselves "
        "do not come from there.",
        _folders,
    ),
)
