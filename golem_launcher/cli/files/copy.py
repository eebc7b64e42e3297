"""``golem-launcher cp``: files and folders between this computer and a session."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.agent.workspace.name_escaping import escape
from golem_launcher.cli.options.session import Which  # noqa: TC001 - typer reads it
from golem_launcher.cli.terminal.command_io import FAILED, Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.transfer_bar import transfer_bar
from golem_launcher.cli.ways_in.reachable import reachable
from golem_launcher.errors import RequestError
from golem_launcher.units import counted, data_size

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.workspace.transfer.copy_queue import Copied, Progress
    from golem_launcher.workspace.transfer.remote_files import RemoteFiles

_THERE = re.compile(r"([^/:]+):(.*)", re.DOTALL)
_MOST_NAMED = 20
_RATE_BYTES = 2**20
"""The rate of less would tell how long it took to begin."""


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("cp")(reports_errors(copy))


def copy(
    paths: Annotated[list[str], typer.Argument(metavar="SRC… DST", help="Paths; NAME:PATH is one in a session.")],
    *,
    machine: Which = None,
    as_json: Json = False,
) -> None:
    """Copy files and folders to a session, or from it, as fast as the network is.

    NAME:PATH is a path in the session NAME, below its workspace unless it begins with / or ~. Folders are copied with
    all that is in them. An interrupted copy goes on where it was when it is asked for again, and what is there with the
    same size and time is not copied. A file of this computer with a colon in its name is ./NAME.

    Examples:
    golem-launcher cp data.zip my-lab:
    golem-launcher cp my-lab:results/model.pt .
    golem-launcher cp photos notes.md my-lab:input/
    golem-launcher cp my-lab:/tmp/profile.json profile.json --machine 2
    """
    *sources, target = (_Place.of(path) for path in paths)
    name = target.session or (sources[0].session if sources else None)
    there = {place.session for place in sources}
    if name is None or there != ({None} if target.session else {name}):
        raise RequestError(
            "One side of a copy is this computer, the other one session: NAME:PATH.",
            "golem-launcher cp data.zip my-lab:, or: golem-launcher cp my-lab:data.zip .",
        )
    directory, number = reachable(name, machine)
    from golem_launcher.workspace.transfer.copy_queue import Copied

    copied, began = Copied(), time.monotonic()
    try:
        with transfer_bar("Copying", hidden=as_json) as progress:
            asyncio.run(_copy((directory, number), [place.path for place in sources], target, progress, copied))
    except BaseException:  # the user's interrupt, too: what came until then is there
        _tell_what_could_run(copied)
        raise
    seconds = time.monotonic() - began
    if as_json:
        print_json({**dataclasses.asdict(copied), "seconds": round(seconds, 3)})
    else:
        _tell(copied, seconds)
        _tell_what_could_run(copied)
    if copied.left_out:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class _Place:
    """A path as it was typed: here, or in a session."""

    session: str | None
    path: str

    @classmethod
    def of(cls, text: str) -> _Place:
        found = _THERE.fullmatch(text)
        return cls(found[1], found[2]) if found else cls(None, text)

    @property
    def names_a_folder(self) -> bool:
        """Whether what is copied there can only lie in it."""
        return self.path in {"", ".", ".."} or self.path.endswith(("/", "/.", "/.."))


async def _copy(
    machine: tuple[SessionDirectory, int], sources: list[str], target: _Place, progress: Progress, copied: Copied
) -> None:
    """Copy one after the other; ``machine`` is one of a session, by its number."""
    from golem_launcher.session.saving.file_transfers import remote_files

    async with remote_files(*machine) as remote:
        into = target.names_a_folder or await _is_folder(remote, target)
        if len(sources) > 1 and not into:
            raise RequestError(f"{target.path} is no folder, and only there is room for several.", "End it with /.")
        for source in sources:
            await _copy_one(remote, source, target, progress, copied, into=into)


async def _copy_one(
    remote: RemoteFiles, source: str, target: _Place, progress: Progress, copied: Copied, *, into: bool
) -> None:
    from golem_launcher.workspace.transfer.copy_from_session import copy_from_session
    from golem_launcher.workspace.transfer.copy_to_session import copy_to_session

    last = os.path.basename(source.rstrip("/"))  # noqa: PTH119 - a path of a session is none of this computer
    place = os.path.join(target.path, last) if into and last not in {"", ".", ".."} else target.path  # noqa: PTH118
    if target.session is None:
        await copy_from_session(remote, source or ".", Path(place), progress, copied)
    else:
        await copy_to_session(remote, Path(source), place or ".", progress, copied)


async def _is_folder(remote: RemoteFiles, target: _Place) -> bool:
    if target.session is None:
        return await asyncio.to_thread(Path(target.path).is_dir)
    found = await remote.entries(escape(target.path), below=False)
    return found is not None and found.top.kind == "d"


def _tell(copied: Copied, seconds: float) -> None:
    rate = f", {data_size(int(copied.bytes / seconds))} a second" if copied.bytes >= _RATE_BYTES else ""
    words = f"Copied {counted(copied.files, 'file')} ({data_size(copied.bytes)}{rate})"
    say(f"{words}; {copied.unchanged} there already." if copied.unchanged else f"{words}.")
    for path, reason in list(copied.left_out.items())[:_MOST_NAMED]:
        typer.echo(f"Not copied: {path} ({reason})", err=True)
    if len(copied.left_out) > _MOST_NAMED:
        typer.echo(f"… and {len(copied.left_out) - _MOST_NAMED} more; --json names them all.", err=True)


def _tell_what_could_run(copied: Copied) -> None:
    if not copied.could_run:
        return
    from golem_launcher.workspace.repository.autorun_files import LOOK_FIRST, folded
    from golem_launcher.workspace.repository.entry import shown

    typer.echo(LOOK_FIRST, err=True)
    named = folded(copied.could_run)
    for path in named[:_MOST_NAMED]:
        typer.echo(f"  {shown(path)}", err=True)
    if len(named) > _MOST_NAMED:
        typer.echo(f"  and {len(named) - _MOST_NAMED} more (all with --json)", err=True)
