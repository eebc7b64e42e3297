"""``%%golem local``: a cell that runs on this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.kernel.commands.command import Command

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output


async def _golem(notebook: Notebook, call: CommandCall, output: Output) -> None:
    if call.words != "local":
        raise RequestError("A cell can be run on this computer.", "Like: %%golem local")
    await notebook.here.run(call.body or "", output)


COMMANDS = (
    Command(
        "golem",
        "local",
        "Runs the cell on this computer instead, in a kernel of its own.",
        _golem,
        ("%%golem local",),
        "It knows no variables of the provider's, and keeps its own from cell to cell. It can't ask for input.",
        lambda _notebook, _before: ["local"],
        takes_cell=True,
    ),
)
