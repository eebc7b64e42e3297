"""Commands about files: ``%upload``, ``%download``, ``%save``, ``%results``."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.units import counted, data_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.cells import Call
    from golem_launcher.kernel.notebook import Notebook
    from golem_launcher.kernel.output import Output, Place
    from golem_launcher.kernel.transfer import Brought, Planned

_MOST_NAMED = 10
_TELL_SECONDS = 0.3


async def _upload(notebook: Notebook, call: Call, output: Output) -> None:
    from golem_launcher.kernel import transfer

    lab = notebook.connected().lab
    words, folder, _ = _words(call)
    brought = transfer.Brought()
    planned = await asyncio.to_thread(transfer.plan_upload, words, folder, brought)
    place = output.place()
    await transfer.upload(lab, planned, brought, _teller(place, "Uploading"))
    await _conclude(place, "Uploaded", brought, output)


async def _download(notebook: Notebook, call: Call, output: Output) -> None:
    from golem_launcher.kernel import transfer

    lab = notebook.connected().lab
    words, folder, force = _words(call)
    brought = transfer.Brought()
    place = output.place()
    await place.show(cards.progress("Looking what there is …"))
    planned = await transfer.plan_download(lab, words, Path(folder), brought)
    try:
        await transfer.download(lab, planned, brought, _teller(place, "Downloading"), force=force)
    except OSError as error:
        raise LauncherError(f"The file can't be written here: {error.strerror or error}.") from error
    await _conclude(place, "Downloaded", brought, output)
    await _tell_what_could_run(brought, output)


def _words(call: Call) -> tuple[list[str], str, bool]:
    """What is named, the folder after ``to=``, and whether ``force`` was said."""
    try:
        words = shlex.split(call.words)
    except ValueError:
        raise RequestError("A quote is not closed.") from None
    folder = next((word.removeprefix("to=") for word in words if word.startswith("to=")), "")
    named = [word for word in words if not word.startswith("to=") and word != "force"]
    if not named:
        raise RequestError("Name files or folders.", f"Like: %{call.name} data.csv")
    return named, folder, "force" in words


def _teller(place: Place, title: str) -> Callable[[Planned, int, int], Awaitable[None]]:
    told = 0.0

    async def tell(one: Planned, done: int, total: int) -> None:
        nonlocal told
        now = asyncio.get_running_loop().time()
        if now - told > _TELL_SECONDS:
            told = now
            words = f"{one.there}: {data_size(done)} of {data_size(total)}"
            await place.show(cards.progress(title, words, min(done / total, 1.0) if total else None))

    return tell


async def _conclude(place: Place, verb: str, brought: Brought, output: Output) -> None:
    await place.show(cards.progress(brought.sentence(verb)))
    if brought.left_out:
        more = len(brought.left_out) - _MOST_NAMED
        lines = [f"Left out: {one}" for one in brought.left_out[:_MOST_NAMED]]
        await output.say("\n".join([*lines, *([f"and {more:,} more"] if more > 0 else [])]), error=True)


async def _tell_what_could_run(brought: Brought, output: Output) -> None:
    from golem_launcher.workspace.repository.self_running import folded

    named = folded(brought.could_run)
    if not named:
        return
    more = [f"and {len(named) - _MOST_NAMED:,} more"] if len(named) > _MOST_NAMED else []
    lines = ["Look at these before you open their folder with anything: some programs run such files by themselves."]
    await output.say("\n".join([*lines, *(f"  {one}" for one in named[:_MOST_NAMED]), *more]), error=True)


async def _save(notebook: Notebook, _call: Call, output: Output) -> None:
    from golem_launcher.session import client

    saved = await asyncio.to_thread(client.save, notebook.connected().name)
    if saved["generation"] is None:
        await output.say("There is nothing to save yet: no file was written over there.")
        return
    left_out = saved["left_out"]
    await output.say(
        f"Saved '{saved['workspace']}' (save {saved['generation']}): {counted(saved['files'], 'file')}"
        f"{f', {len(left_out):,} left out' if left_out else ''}."
    )
    if left_out:
        await output.say("\n".join(f"Left out: {one['path']}: {one['reason']}" for one in left_out[:10]), error=True)


async def _results(notebook: Notebook, call: Call, output: Output) -> None:
    from golem_launcher.session import client
    from golem_launcher.session.client import results

    directory = notebook.last
    if directory is None:
        raise RequestError("This notebook had no session yet.", "Connect: %connect")
    if notebook.connection is not None and not notebook.connection.over:
        try:
            await asyncio.to_thread(client.save, directory.name)
        except LauncherError as error:
            await output.say(f"Not saved again: {error}", error=True)
    path = await asyncio.to_thread(results.write, directory, call.words or None)
    await output.say(f"The files as saved last are in {path}")


COMMANDS = (
    Command(
        "upload",
        "PATH… [to=FOLDER]",
        "Brings files and folders of this computer there, whole or not at all.",
        _upload,
        ("%upload data.csv models/ *.txt", "%upload data.csv to=input"),
        "Links within folders are not followed. A file of the same name over there is replaced.",
    ),
    Command(
        "download",
        "PATH… [to=FOLDER] [force]",
        "Brings files and folders from there into the notebook's folder.",
        _download,
        ("%download results.csv", "%download plots/ *.png to=pictures"),
        "A file that is named replaces one of its name here; those of folders and patterns only with force. "
        "Files that some program runs by itself are named.",
    ),
    Command(
        "save",
        "",
        "Saves the files over there now, which also happens every few seconds.",
        _save,
        ("%save",),
        alone=True,
    ),
    Command(
        "results",
        "[FILE.zip]",
        "Saves, and writes the files as saved last into a zip file here; after %disconnect, too.",
        _results,
        ("%results", "%results work.zip"),
    ),
)
