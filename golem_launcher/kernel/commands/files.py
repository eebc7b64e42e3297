"""Commands about files: ``%upload``, ``%download``, ``%save``, ``%results``."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.progress_rate import SOON_SECONDS, SoFar
from golem_launcher.units import counted
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output, Place
    from golem_launcher.kernel.transfer import Brought, Planned
    from golem_launcher.session.on_disk.directory import SessionDirectory

_T = TypeVar("_T")
_MOST_NAMED = 10
_TELL_SECONDS = 0.3


async def _upload(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.kernel import transfer

    lab = notebook.connected().lab
    words, folder, _ = _words(call)
    brought = transfer.Brought()
    planned = await asyncio.to_thread(transfer.plan_upload, words, folder, brought)
    place = output.place()
    await transfer.upload(lab, planned, brought, _teller(place, "Uploading"))
    await _conclude(place, "Uploaded", brought, output)


async def _download(notebook: Notebook, call: CommandCall, output: Output) -> None:
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


def _words(call: CommandCall) -> tuple[list[str], str, bool]:
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
    told, so_far = 0.0, SoFar()

    async def tell(one: Planned, done: int, total: int) -> None:
        nonlocal told
        now = asyncio.get_running_loop().time()
        if now - told > _TELL_SECONDS:
            told = now
            so_far.told(done, total)
            words, share = so_far.far()
            await place.show(cards.progress(title, f"{one.there}: {words}", share))

    return tell


async def _shown(place: Place, title: str, far: Callable[[], tuple[str, float | None]], call: Awaitable[_T]) -> _T:
    """Wait for a call; when that takes more than a second, how ``far`` it is, in words and of 1, is shown meanwhile."""
    task = asyncio.ensure_future(call)
    try:
        wait = SOON_SECONDS
        while not (await asyncio.wait({task}, timeout=wait))[0]:
            words, share = far()
            await place.show(cards.progress(title, words, share))
            wait = _TELL_SECONDS
        return task.result()
    finally:
        await cancel_all(task)


async def _conclude(place: Place, verb: str, brought: Brought, output: Output) -> None:
    await place.show(cards.progress(brought.sentence(verb)))
    if brought.left_out:
        more = len(brought.left_out) - _MOST_NAMED
        lines = [f"Left out: {one}" for one in brought.left_out[:_MOST_NAMED]]
        await output.say("\n".join([*lines, *([f"and {more:,} more"] if more > 0 else [])]), error=True)


async def _tell_what_could_run(brought: Brought, output: Output) -> None:
    from golem_launcher.workspace.repository.autorun_files import folded

    named = folded(brought.could_run)
    if not named:
        return
    more = [f"and {len(named) - _MOST_NAMED:,} more"] if len(named) > _MOST_NAMED else []
    lines = ["Look at these before you open their folder with anything: some programs run such files by themselves."]
    await output.say("\n".join([*lines, *(f"  {one}" for one in named[:_MOST_NAMED]), *more]), error=True)


async def _save(notebook: Notebook, _call: CommandCall, output: Output) -> None:
    from golem_launcher.session.on_disk.directory import session_directory

    saved = await _saved_now(session_directory(notebook.connected().name), output)
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


async def _results(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.session.client import results

    directory = notebook.last
    if directory is None:
        raise RequestError("This notebook had no session yet.", "Connect: %connect")
    if notebook.connection is not None and not notebook.connection.over:
        try:
            await _saved_now(directory, output)
        except LauncherError as error:
            await output.say(f"Not saved again: {error}", error=True)
    so_far = SoFar()
    named, _, last = call.words.rpartition(" ")
    words, force = (named.strip(), True) if last == "force" else (call.words, False)
    writing = asyncio.to_thread(results.write, directory, words or None, force=force, progress=so_far.told)
    path = await _shown(output.place(), "Writing the zip file …", so_far.far, writing)
    await output.say(f"The files as saved last are in {path}")


async def _saved_now(directory: SessionDirectory, output: Output) -> dict[str, Any]:
    from golem_launcher.session import client
    from golem_launcher.session.reporting.progress_lines import meanwhile

    saving = asyncio.to_thread(client.save, directory.name)
    return await _shown(output.place(), "Saving …", lambda: meanwhile(directory.state()), saving)


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
        "[FILE.zip] [force]",
        "Saves, and writes the files as saved last into a zip file here; after %disconnect, too.",
        _results,
        ("%results", "%results work.zip"),
        "A file that is there is written over with force alone.",
    ),
)
