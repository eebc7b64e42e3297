"""Receives uploads from the browser in parts, into a private directory from which a session takes them.

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.errors import SessionDamaged
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.ui.form.folder_upload import LONGEST_LIST, unpack
from golem_launcher.ui.form.preferences import uploads_directory
from golem_launcher.ui.form.upload_names import clean_file_name, split_name, unused
from golem_launcher.units import data_size

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_PART = 8 * 1024 * 1024
"""Bytes. The page sends parts of half of that: web servers drop messages of more than 10 MiB without a word."""

_ROOM = 256 * 1024 * 1024
"""Bytes of the disk that uploads leave free."""

_STALE_SECONDS = 24 * 3600.0

_WORD = re.compile(r"[0-9a-f]{16}")
_OURS = ".golem-"
"""No name of a user's begins so."""
_PART, _NEW, _GONE = (f"{_OURS}{word}-" for word in ("part", "new", "gone"))
"""What arrived of a file; a folder that is being unpacked; the sign that a file is here for a session alone."""
_PART_NAME = re.compile(re.escape(_PART) + r"(?P<size>\d+)-\d+-(?P<listed>\d+)-(?P<name>.+)", re.DOTALL)


@dataclass
class _Upload:
    """One file on its way, or one folder as a file."""

    path: Path
    """Where it will be."""
    part: Path
    """Where it grows."""
    size: int
    listed: int = 0
    """Bytes at the beginning that list the files of a folder; of a plain file none."""
    done: int = 0
    complete: bool = False
    kept: bool = False
    """Whether it is from before the page was loaded, and not added again."""
    count: int | None = None
    """The files of a folder that is whole."""

    def starts(self, size: int, changed: int, listed: int) -> bool:
        """Whether its part is that of a file like this."""
        return self.part.name.startswith(_part_name(size, changed, listed, ""))


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
                {"id": identifier, "size": one.size, "count": one.count, **_progress(one)}
                for identifier, one in self._uploads.items()
                if one.kept and one.path.parent == place
            ]
        self._tell({"kind": "uploads", "place": content["uploads"], "files": kept})

    async def begin(self, content: dict[str, Any]) -> None:
        """A file of ``size`` bytes called ``name`` is to come to ``place``; ``id`` is the front end's word for it.

        ``changed`` is when it was changed last: with name and size it tells a file that was partly here before. A
        folder is one file (:mod:`.folder`) whose first ``listed`` bytes are its list.
        Said again, it is the question how far the file is. The answer to each message bears its number, ``asked``: of
        those that a broken connection held up, the front end heeds the last alone.
        """
        identifier, size, changed = str(content.get("id")), content.get("size"), content.get("changed")
        place, listed = _place(content.get("place")), content.get("listed", 0)
        if place is None or not (isinstance(size, int) and isinstance(changed, int) and isinstance(listed, int)):
            return
        if not 0 <= listed <= size:
            return
        if listed > LONGEST_LIST:
            self._tell({"kind": "upload refused", "id": identifier, "text": "This folder has too many files."})
            return
        async with self._lock:
            if identifier not in self._uploads:
                name = clean_file_name(str(content.get("name", ""))).removeprefix(_OURS) or "file"
                upload, refusal = await asyncio.to_thread(self._make, place, name, size, changed, listed)
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
                    await self._refuse(identifier, _said(error))
                    return
            await self._go_on(identifier, content.get("asked"))

    async def remove(self, content: dict[str, Any]) -> None:
        """The file ``id`` is not wanted, whole or not."""
        async with self._lock:
            await self._drop(str(content.get("id")))

    async def _go_on(self, identifier: str, asked: object) -> None:
        upload = self._uploads[identifier]
        if upload.done == upload.size and not upload.complete:
            try:
                await asyncio.to_thread(_finish, upload)
            except (OSError, ValueError) as error:
                await self._refuse(identifier, _said(error) if isinstance(error, OSError) else str(error))
                return
            upload.complete = True
        number = asked if isinstance(asked, int) else None
        self._tell({"kind": "upload", "id": identifier, "asked": number, **_progress(upload)})

    async def _refuse(self, identifier: str, text: str) -> None:
        await self._drop(identifier)
        self._tell({"kind": "upload refused", "id": identifier, "text": text})

    async def _drop(self, identifier: str) -> None:
        upload = self._uploads.pop(identifier, None)
        if upload is not None:
            await asyncio.to_thread(_remove, upload)

    def _make(self, place: Path, name: str, size: int, changed: int, listed: int) -> tuple[_Upload | None, str]:
        try:
            paths.private_directory(place)
            found = _found(place)
            for identifier, upload in self._uploads.items():
                if upload.kept and _is_rest(upload, place, name) and upload.starts(size, changed, listed):
                    del self._uploads[identifier]
                    upload.kept = False
                    return upload, ""
            free = shutil.disk_usage(place).free
            if size * (2 if listed else 1) > free - _ROOM:
                return None, f"The disk has room for {data_size(max(0, free - _ROOM))}, and this needs more."
            path = place / unused(
                name, {upload.path.name for upload in found} | {file.name for file in place.iterdir()}
            )
            part = place / _part_name(size, changed, listed, path.name)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            return None, _said(error)
        return _Upload(path, part, size, listed), ""


def _place(word: object) -> Path | None:
    """The directory of a tab, from its word for it."""
    return uploads_directory() / word if isinstance(word, str) and _WORD.fullmatch(word) else None


def _progress(upload: _Upload) -> dict[str, Any]:
    """What the front end is told of a file: its name here, how far it is, and where it is when it is whole."""
    return {"name": upload.path.name, "at": upload.done, "path": str(upload.path) if upload.complete else None}


def _part_name(size: int, changed: int, listed: int, name: str) -> str:
    return f"{_PART}{size}-{changed}-{listed}-{name}"


def _found(place: Path) -> list[_Upload]:
    """What is in a place: whole files and folders, and what arrived of others."""
    found = []
    for file in sorted(place.iterdir()) if place.is_dir() else ():
        if parts := _PART_NAME.fullmatch(file.name):
            path, size = place / parts["name"], int(parts["size"])
            done = min(size, file.stat().st_size)
            if not path.exists():
                found.append(_Upload(path, file, size, int(parts["listed"]), done=done, kept=True))
        elif not file.name.startswith(_OURS) and not file.with_name(_GONE + file.name).exists():
            count, size = _count(file)
            found.append(_Upload(file, file, size, done=size, complete=True, kept=True, count=count))
    return found


def _count(file: Path) -> tuple[int | None, int]:
    """How many files a folder has, ``None`` for a plain file; and the bytes."""
    if not file.is_dir():
        return None, file.stat().st_size
    sizes = [one.stat().st_size for one in file.rglob("*") if one.is_file()]
    return len(sizes), sum(sizes)


def _is_rest(upload: _Upload, place: Path, name: str) -> bool:
    """Whether a file of this name may be the one of which ``upload`` is a part, whatever number its name got."""
    if upload.complete or upload.path.parent != place:
        return False
    stem, tail = split_name(name)
    return re.fullmatch(rf"{re.escape(stem)}( \(\d+\))?{re.escape(tail)}", upload.path.name) is not None


def sweep_uploads() -> None:
    """Remove uploads of a day ago and older that no session was started with. Blocking."""
    kept = {Path(item).parent for item in _inputs_of_sessions()}
    oldest = time.time() - _STALE_SECONDS
    for place in uploads_directory().iterdir():
        if place not in kept and place.stat().st_mtime < oldest:
            shutil.rmtree(place, ignore_errors=True)


def _append(upload: _Upload, data: memoryview) -> None:
    """Write ``data`` at the end of what is there. A part that was written only half is written again."""
    with upload.part.open("r+b") as file:
        file.seek(upload.done)
        file.write(data)
    upload.done += len(data)


def _inputs_of_sessions() -> set[str]:
    """What the sessions on this computer were started with: each may need it again."""
    found: set[str] = set()
    for directory in session_directories():
        with contextlib.suppress(SessionDamaged):
            found |= set(directory.request().inputs)
    return found


def _finish(upload: _Upload) -> None:
    """Give what is all there its name. Raises ``ValueError`` for what is no folder."""
    if not upload.listed:
        upload.part.rename(upload.path)
        return
    new = upload.path.with_name(_NEW + upload.path.name)
    shutil.rmtree(new, ignore_errors=True)
    try:
        upload.count = unpack(upload.part, upload.listed, new)
        new.rename(upload.path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    upload.part.unlink()


def _remove(upload: _Upload) -> None:
    """Remove what there is of a file; what a session was started with stays for it, out of the form's sight."""
    if upload.part != upload.path:
        upload.part.unlink(missing_ok=True)
    if str(upload.path) in _inputs_of_sessions():
        upload.path.with_name(_GONE + upload.path.name).touch(mode=0o600)
    elif upload.path.is_dir():
        shutil.rmtree(upload.path, ignore_errors=True)
    else:
        upload.path.unlink(missing_ok=True)


def _said(error: OSError) -> str:
    return f"This computer can't keep it: {error.strerror or error}."
