"""Files made on demand and sent to the browser in parts, over the page's own messages.

Works wherever widgets do: no route of ours on any server, no login beside the page's. The browser asks for each part
by its offset, a few ahead, so that neither side holds more than those, a slow line slows nobody else down, and a
connection that broke goes on where it was. A prepared file lives in a private directory of the launcher until the
browser has it all, or nobody asks any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

PART_BYTES = 4 * 1024 * 1024
"""Servers between the kernel and the browser may drop messages of more than 10 MiB."""

_UNASKED_SECONDS = 900.0
_STALE_SECONDS = 24 * 3600.0
_TOLD_SECONDS = 0.25
_NAMED = 3


class Make(Protocol):
    """Writes what is to be downloaded of the session ``name`` to ``path``, telling ``(done, total)``. Blocking."""

    def __call__(self, name: str, path: Path, progress: Callable[[float, float], None]) -> str:
        """A sentence that the reader should see, or nothing. Raises ``LauncherError`` and ``OSError``."""


@dataclass
class _Prepared:
    path: Path
    size: int
    name: str
    """That the file shall have."""
    note: str
    asked_at: float = field(default_factory=time.monotonic)


class Downloads:
    """Downloads of one page. ``kinds`` says by its word what can be had: the end of the file's name, and who makes it.

    ``send`` takes a message for the front ends and the binary parts that go with it.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], list[bytes]], None],
        kinds: dict[str, tuple[str, Make]],
        threads: Executor,
    ) -> None:
        self._send = send
        self._kinds = kinds
        self._threads = threads
        self._prepared: dict[str, _Prepared] = {}
        self._making: set[str] = set()

    async def fetch(self, content: dict[str, Any]) -> None:
        """Prepare what the front end asks for under an ``id`` of its own, and tell how large it is.

        Asked again, because the answer may have been lost, it is told again.
        """
        key, name, what = str(content.get("id")), str(content.get("name")), str(content.get("what"))
        if what not in self._kinds or key in self._making:
            return
        if key in self._prepared:
            self._tell_prepared(key)
            return
        ending, make = self._kinds[what]
        self._making.add(key)
        loop = asyncio.get_running_loop()
        told = 0.0

        def progress(done: float, total: float) -> None:
            nonlocal told
            if time.monotonic() - told >= _TOLD_SECONDS:
                told = time.monotonic()
                message = {"kind": "fetching", "id": key, "done": done, "total": total}
                loop.call_soon_threadsafe(self._send, message, [])

        try:
            await self._sweep()
            path, note = await loop.run_in_executor(self._threads, _prepare, name, make, progress)
        except LauncherError as error:
            self._send({"kind": "unfetched", "id": key, "text": str(error)}, [])
        except OSError as error:
            text = f"The file could not be made: {error.strerror or error}."
            self._send({"kind": "unfetched", "id": key, "text": text}, [])
        else:
            self._prepared[key] = _Prepared(path, path.stat().st_size, f"{name}-{ending}", note)
            self._tell_prepared(key)
        finally:
            self._making.discard(key)

    def _tell_prepared(self, key: str) -> None:
        prepared = self._prepared[key]
        told = {"kind": "fetched", "id": key, "size": prepared.size, "file": prepared.name, "note": prepared.note}
        self._send(told, [])

    async def part(self, content: dict[str, Any]) -> None:
        """Send the part that begins at ``offset``."""
        key, offset = str(content.get("id")), content.get("offset")
        prepared = self._prepared.get(key)
        if prepared is None:
            self._send({"kind": "unfetched", "id": key, "text": "This download is over. Start it again."}, [])
        elif isinstance(offset, int) and 0 <= offset <= prepared.size:
            prepared.asked_at = time.monotonic()
            try:
                data = await asyncio.to_thread(_read, prepared.path, offset)
            except OSError as error:
                text = f"The prepared file can't be read: {error.strerror or error}. Start the download again."
                self._send({"kind": "unfetched", "id": key, "text": text}, [])
            else:
                self._send({"kind": "part", "id": key, "offset": offset}, [data])

    async def release(self, content: dict[str, Any]) -> None:
        """The front end has all of it, or wants no more."""
        await self._drop(str(content.get("id")))

    def close(self) -> None:
        """Remove what was prepared. Blocking."""
        for prepared in self._prepared.values():
            shutil.rmtree(prepared.path.parent, ignore_errors=True)
        self._prepared.clear()

    async def _sweep(self) -> None:
        old = time.monotonic() - _UNASKED_SECONDS
        for key in [key for key, prepared in self._prepared.items() if prepared.asked_at < old]:
            await self._drop(key)
        await asyncio.to_thread(_remove_stale)

    async def _drop(self, key: str) -> None:
        prepared = self._prepared.pop(key, None)
        if prepared is not None:
            await asyncio.to_thread(shutil.rmtree, prepared.path.parent, ignore_errors=True)


def write_log(name: str, path: Path, progress: Callable[[float, float], None]) -> str:
    """The whole log of a session: its events as lines and as they are, its workload's, the supervisor's. Blocking."""
    directory = session_directory(name)
    files = {
        "jupyterlab.log": directory.workload_log,
        "launcher.log": directory.supervisor_log,
        "events.jsonl": directory.path / "events.jsonl",
    }
    total = sum(file.stat().st_size for file in files.values() if file.exists())
    done = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("session.log", "w", force_zip64=True) as told:
            for event in directory.all_events():
                if event.line:
                    told.write(f"{event.at.astimezone():%Y-%m-%d %H:%M:%S %Z} {event.line}\n".encode())
        for title, file in files.items():
            if not file.exists():
                continue
            with file.open("rb") as source, archive.open(title, "w", force_zip64=True) as target:
                while data := source.read(PART_BYTES):
                    target.write(data)
                    done += len(data)
                    progress(done, total)
    return ""


def write_results(name: str, path: Path, progress: Callable[[float, float], None]) -> str:
    """The files of a session as they were saved last. Blocking."""
    from golem_launcher.session import client  # noqa: PLC0415 - not needed to show the page
    from golem_launcher.workspace.export.results import save_zip  # noqa: PLC0415 - not needed to show the page
    from golem_launcher.workspace.repository.autorun_files import folded  # noqa: PLC0415 - not needed to show the page
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415

    directory = session_directory(name)
    saving, request = client.saving_of(directory), directory.request()
    store = open_store(request.store, encrypt=request.encrypt)
    kept = {generation.number for generation in store.generations(saving.workspace)}
    manifest = store.manifest(saving.workspace, saving.generation if saving.generation in kept else None)
    written = save_zip(store, manifest, path, progress, replace=True)
    notes = [written.about_kernel_states] if written.kernel_states else []
    if missing := [f"{path} ({why})" for path, why in (*written.left_out, *manifest.left_out)]:
        notes.append(f"{counted(len(missing), 'file is', 'files are')} not in it: {_some(missing)}.")
    if risky := written.could_run:
        notes.append(
            f"Some programs run files like these by themselves, so look at them first: {_some(folded(risky))}."
        )
    if renamed := [f"{path} is {name}" for path, name in written.renamed]:
        notes.append(f"On many computers these would have others' names, so they have new ones: {_some(renamed)}.")
    return clean_line(" ".join(notes), longest=600)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _prepare(name: str, make: Make, progress: Callable[[float, float], None]) -> tuple[Path, str]:
    directory = paths.private_directory(_place() / secrets.token_hex(8))
    path = directory / "file"
    try:
        note = make(name, path, progress)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return path, note


def _remove_stale() -> None:
    """What pages left that were killed."""
    for directory in _place().iterdir():
        with contextlib.suppress(OSError):
            if time.time() - directory.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(directory, ignore_errors=True)


def _place() -> Path:
    return paths.private_directory(paths.home() / "page" / "downloads")


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PART_BYTES)
