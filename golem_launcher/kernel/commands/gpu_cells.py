"""``%%gpu``: a cell that runs at a machine with a GPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.kernel.commands.command import Command
from golem_launcher.market.requirement_shorthand import FIELDS, read_words
from golem_launcher.request.another_machine import MOVABLE
from golem_launcher.request.fields import about

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output

_BACK_AFTER = re.compile(r"(?:^|\s)back_after\s*=\s*(\S+)", re.ASCII)
_TIME = re.compile(r"(\d{1,5})(s|m|h)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_USUAL = "5m"


async def _gpu(notebook: Notebook, call: CommandCall, output: Output) -> None:
    after = _BACK_AFTER.search(call.words)
    time = _TIME.fullmatch(after[1] if after else _USUAL)
    if time is None:
        raise RequestError("That is no time after which it goes back.", "Like: %%gpu back_after=10m")
    if not (call.body or "").strip():
        raise RequestError("The cell is empty: what needs a GPU stands below.", "To go there and stay: %move gpu>0")
    fields = read_words(_BACK_AFTER.sub(" ", call.words).strip())
    await notebook.be_connected(output)
    seconds = int(time[1]) * _SECONDS[time[2]]
    await notebook.gpu.borrow(notebook.connected(), fields, seconds, output)


def _may_follow(_notebook: Notebook, _before: str) -> list[str]:
    signs = {"least": ">", "most": "<", "": "="}
    words = (f"{word}{signs[about(field).bound]}" for word, field in sorted(FIELDS.items()) if field in MOVABLE)
    return [*words, "back_after="]


COMMANDS = (
    Command(
        "gpu",
        "[FIELD=VALUE …] [back_after=5m]",
        "Runs the cell at a machine with a GPU: the session moves there first, and back when it is needed no more.",
        _gpu,
        ("%%gpu", "%%gpu gpu_model=L4 gpu_memory>20 price<1.5", "%%gpu back_after=30m"),
        "Files, packages and variables come along, both ways, within the session's budget. It goes back when no cell "
        "with %%gpu came for the time of back_after.",
        _may_follow,
        takes_cell=True,
        before_cell=True,
    ),
)
