"""Files brought from the browser: in parts, to a private directory of this computer, where a session takes them from.

The browser sends one part and waits for the word how far the file is before it sends the next, so nothing piles up, a
part that is lost on the way is sent again, and a part that comes twice does no harm. The sender chooses name and size:
the name is cleaned, and the size is what the disk must have room for.

Each tab of a browser has a place of its own, a directory, and says which. So what came before a reload of the page is
there afterwards: files that are whole, and of others what arrived, which goes on when the file is added again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.session.directory import session_directories
from golem_launcher.ui.form.remembered import uploads_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LARGEST_PART = 8 * 1024 * 1024
"""Bytes. The page sends parts of half of that: web servers drop messages of more than 10 MiB without a word."""

_ROOM = 256 * 1024 * 1024
"""Bytes of the disk that uploads leave free."""

_LONGEST_NAME = 180
_LONGEST_SUFFIX = 20
_STALE_SECONDS = 24 * 3600.0

_WORD = re.compile(r"[0-9a-f]{16}")
_PART = ".golem-part-"
_PART_NAME = re.compile(re.escape(_PART) + r"(?P<size>\d+)-\d+-(?P<name>.+)", re.DOTALL)


@dataclass
class _Upload:
    """One file on its way."""

    path: Path
    """Where it will be."""
    part: Path
    """Where it grows."""
    size: int
    done: int = 0
    complete: bool = False
    kept: bool = False
    """Whether it is from before the page was loaded, and not added again."""


class Uploads:
    """The uploads of one form. ``tell`` sends a message to its front end."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._uploads: dict[str, _Upload] = {}
        self._lock = asyncio.Lock()

    async def here(self, content: dict[str, Any]) -> None:
        """A view has come; ``uploads`` is its place. Tell what is there already."""
        place = _place(content.get("uploads"))
        if place is None:
            return
        async with self._lock:
            known = {upload.path for upload in self._uploads.values()}
            for upload in await asyncio.to_thread(_found, place):
                if upload.path not in known:
                    self._uploads[f"{place.name}/{upload.path.name}"] = upload
            kept = [
                {"id": identifier, "name": one.path.name, "size": one.size, "at": one.done, "path": _where(one)}
                for identifier, one in self._uploads.items()
                if one.kept and one.path.parent == place
            ]
        self._tell({"kind": "uploads", "place": content["uploads"], "files": kept})

    async def begin(self, content: dict[str, Any]) -> None:
        """A file of ``size`` bytes called ``name`` is to come to ``place``; ``id`` is the front end's word for it.

        ``changed`` is when it was changed last: with name and size it tells a file that was partly here before.
        Said again, it is the question how far the file is. The answer to each message bears its number, ``asked``: of
        those that a broken connection held up, the front end heeds the last alone.
        """
        identifier, size, changed = str(content.get("id")), content.get("size"), content.get("changed")
        place = _place(content.get("place"))
        if not isinstance(size, int) or not isinstance(changed, int) or size < 0 or place is None:
            return
        async with self._lock:
            if identifier not in self._uploads:
                name = clean_file_name(str(content.get("name", ""))).removeprefix(_PART) or "file"
                upload, refusal = await asyncio.to_thread(self._make, place, name, size, changed)
                if upload is None:
                    self._tell({"kind": "upload refused", "id": identifier, "text": refusal})
                    return
                self._uploads[identifier] = upload
            await self._go_on(identifier, content.get("asked"))

    async def part(self, content: dict[str, Any]) -> None:
        """The bytes of ``buffers`` belong ``at`` that place of the file ``id``."""
        identifier, buffers = str(content.get("id")), content.get("buffers") or []
        async with self._lock:
            upload = self._uploads.get(identifier)
            if upload is None:
                return  # it was cancelled
            data = memoryview(buffers[0]).cast("B") if buffers else memoryview(b"")
            fits = 0 < len(data) <= min(LARGEST_PART, upload.size - upload.done)
            if content.get("at") == upload.done and fits and not upload.complete:
                try:
                    await asyncio.to_thread(_append, upload, data)
                except OSError as error:
                    await self._drop(identifier)
                    self._tell({"kind": "upload refused", "id": identifier, "text": _said(error)})
                    return
            await self._go_on(identifier, content.get("asked"))

    async def remove(self, content: dict[str, Any]) -> None:
        """The file ``id`` is not wanted, whole or not."""
        async with self._lock:
            await self._drop(str(content.get("id")))

    async def _go_on(self, identifier: str, asked: object) -> None:
        upload = self._uploads[identifier]
        if upload.done == upload.size and not upload.complete:
            await asyncio.to_thread(upload.part.rename, upload.path)
            upload.complete = True
        number = asked if isinstance(asked, int) else None
        progress = {"id": identifier, "asked": number, "name": upload.path.name, "at": upload.done}
        self._tell({"kind": "upload", **progress, "path": _where(upload)})

    async def _drop(self, identifier: str) -> None:
        upload = self._uploads.pop(identifier, None)
        if upload is not None:
            await asyncio.to_thread(_remove, (upload.part, upload.path))

    def _make(self, place: Path, name: str, size: int, changed: int) -> tuple[_Upload | None, str]:
        try:
            paths.private_directory(place)
            found = _found(place)
            for identifier, upload in self._uploads.items():
                if upload.kept and not upload.complete and _is_rest(upload, place, name, size, changed):
                    del self._uploads[identifier]
                    upload.kept = False
                    return upload, ""
            free = shutil.disk_usage(place).free
            if size > free - _ROOM:
                return None, f"The disk has room for {max(0, free - _ROOM) // 1024**2} MiB, and this file needs more."
            path = place / _unused(name, {upload.path.name for upload in found})
            part = place / f"{_PART}{size}-{changed}-{path.name}"
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            return None, _said(error)
        return _Upload(path, part, size), ""


def _place(word: object) -> Path | None:
    """The directory of a tab, from its word for it."""
    return uploads_directory() / word if isinstance(word, str) and _WORD.fullmatch(word) else None


def _where(upload: _Upload) -> str | None:
    return str(upload.path) if upload.complete else None


def _found(place: Path) -> list[_Upload]:
    """What is in a place: whole files, and what arrived of others."""
    found = []
    for file in sorted(place.iterdir()) if place.is_dir() else ():
        size = file.stat().st_size
        if not file.name.startswith(_PART):
            found.append(_Upload(file, file, size, done=size, complete=True, kept=True))
        elif parts := _PART_NAME.fullmatch(file.name):
            whole = int(parts["size"])
            found.append(_Upload(place / parts["name"], file, whole, done=min(size, whole), kept=True))
    return found


def _is_rest(upload: _Upload, place: Path, name: str, size: int, changed: int) -> bool:
    """Whether a file that is added is the one of which ``upload`` is a part, whatever number its name got."""
    if upload.path.parent != place or not upload.part.name.startswith(f"{_PART}{size}-{changed}-"):
        return False
    stem, tail = _split(name)
    return re.fullmatch(rf"{re.escape(stem)}( \(\d+\))?{re.escape(tail)}", upload.path.name) is not None


def clean_file_name(name: str) -> str:
    """A name that a file may have here, from one that a stranger chose: no directories, nothing that cannot be seen."""
    last = PurePath(name.replace("\\", "/")).name
    plain = unicodedata.normalize("NFC", last.encode(errors="ignore").decode())
    shown = " ".join("".join(character for character in plain if character.isprintable()).split()).rstrip(". ")
    stem, dot, suffix = shown.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = shown, "", ""
    tail = f"{dot}{suffix}"
    room = _LONGEST_NAME - len(tail.encode())
    return (stem.encode()[:room].decode(errors="ignore") + tail) or "file"


def sweep_uploads() -> None:
    """Remove uploads of a day ago and older that no session was started with. Blocking."""
    kept = set()
    for directory in session_directories():
        with contextlib.suppress(OSError, ValueError):
            kept |= {Path(item).parent for item in directory.request().inputs}
    oldest = time.time() - _STALE_SECONDS
    for place in uploads_directory().iterdir():
        if place not in kept and place.stat().st_mtime < oldest:
            shutil.rmtree(place, ignore_errors=True)


def _unused(name: str, taken: set[str]) -> str:
    """``name``, or with a number when a file of that name was brought before."""
    stem, tail = _split(name)
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{stem} ({number}){tail}"
    return found


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    return (stem, f"{dot}{suffix}") if stem else (name, "")


def _append(upload: _Upload, data: memoryview) -> None:
    """Write ``data`` at the end of what is there. A part that was written only half is written again."""
    with upload.part.open("r+b") as file:
        file.seek(upload.done)
        file.write(data)
    upload.done += len(data)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _said(error: OSError) -> str:
    return f"This computer can't keep the file: {error.strerror or error}."
