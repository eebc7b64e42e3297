"""``%attach``: a kernel in a session that runs already."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output, Shown
    from golem_launcher.session_state import SessionState


async def _attach(notebook: Notebook, call: CommandCall, output: Output) -> None:
    name, _, rest = call.words.partition(" ")
    if not name:
        await output.show(await asyncio.to_thread(_running))
        return
    await attach(notebook, name, _kernel(rest.strip()), output)


async def attach(notebook: Notebook, name: str, kernel: str, output: Output) -> None:
    """Connect to the session ``name``. Raises ``SessionError``.

    ``kernel``: the id of one over there; ``new``; or nothing: one that a killed notebook left, else a new one.
    """
    from golem_launcher.kernel.connection import check_workload
    from golem_launcher.session.on_disk import liveness, orphaned
    from golem_launcher.session.on_disk.directory import session_directory

    present = notebook.connection
    if present is not None and not present.over:
        raise SessionError(f"The notebook is connected already, to '{present.name}'.", "%disconnect first.")
    directory = session_directory(name)
    state = await asyncio.to_thread(liveness.state_of, directory)
    if state.stage is not Stage.READY or not await asyncio.to_thread(liveness.alive, directory):
        raise SessionError(f"The session '{name}' is {state.stage.value}.", "Start another: %connect")
    check_workload((await asyncio.to_thread(directory.request)).workload)
    others = await asyncio.to_thread(notebook.record.others, name)
    left = None if kernel else await asyncio.to_thread(notebook.record.take_over, name)
    await asyncio.to_thread(orphaned.withdraw, directory)
    wanted = left.kernel_id if left is not None else (kernel if kernel != "new" else "")
    joined = await notebook.attach(
        directory,
        wanted or None,
        ends_session=any(one.ends_session for one in others),
        name=left.notebook if left is not None else "",
    )
    await output.show(await notebook.card())
    await notebook.synced.go_on(output)
    if joined:
        await output.say("Joined the kernel that was there: its variables are as they were.")


def _kernel(word: str) -> str:
    value = word.removeprefix("kernel=")
    if value in {"", "new"}:
        return value
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise RequestError(f"'{word[:60]}' is no kernel.", "Like: %attach my-lab kernel=new") from None


def _living() -> list[SessionState]:
    """Those with kernels. What looks after a session outlives it, until the bill is settled."""
    from golem_launcher.session.on_disk import liveness

    states = map(liveness.state_of, liveness.living())
    return [one for one in states if one.workload == LAB.name and not one.stage.final]


def _running() -> Shown:
    living = _living()
    rows = [
        (one.name, f"{one.stage.value}, {one.network}, {one.head.provider_name or 'no provider yet'}") for one in living
    ]
    if not rows:
        return cards.table("No session runs.", [], ["Start one: %connect"])
    ready = [one.name for one in living if one.stage is Stage.READY]
    return cards.table("Sessions that run", rows, [f"Like: %attach {ready[0]}"] if ready else [])


def _names(_notebook: Notebook, _before: str) -> list[str]:
    return [one.name for one in _living() if one.stage is Stage.READY]


COMMANDS = (
    Command(
        "attach",
        "[SESSION] [kernel=new]",
        "Connects to a session that runs already; without a name, lists them.",
        _attach,
        ("%attach my-lab", "%attach"),
        "When the notebook that used it was killed, or its Jupyter, its kernel is joined, with all variables; "
        "kernel=new starts another one. A session that no notebook began goes on when this one leaves.",
        _names,
    ),
)
