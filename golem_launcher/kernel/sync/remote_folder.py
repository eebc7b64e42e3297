"""The folder over there: read from what the session saved, written to by the Jupyter there, looked at before.

Names, links and times are a stranger's; contents are checked by the store against their hashes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.agent.workspace.name_escaping import unescape
from golem_launcher.errors import AccessError
from golem_launcher.kernel import contents
from golem_launcher.kernel.contents import Look
from golem_launcher.kernel.remote_kernel import KernelGone
from golem_launcher.kernel.sync.local_folder import DEEPEST, MOST_FILES, TooManyFiles, fault_of_name
from golem_launcher.workspace.export.file_content import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.kernel.remote_kernel import LabClient
    from golem_launcher.workspace.repository.entry import Entry
    from golem_launcher.workspace.repository.store import Store

_SAME_SECONDS = 0.001
"""Times of one file in two clocks' writing are nearer than this."""


@dataclass
class FolderListing:
    """The files of the folder in one generation, by their paths in it, and what is left out, with the reason."""

    generation: int | None = None
    files: dict[str, Entry] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class Workspace:
    """The folder ``place`` (empty: all) of a session's workspace."""

    def __init__(self, lab: LabClient, store: Store, name: str, place: str, largest: int) -> None:
        """``largest``: bytes of all files, their holes included; what is more is left out."""
        self.name = name
        self.place = place
        self._lab = lab
        self._store = store
        self._largest = largest
        self._made: set[str] = set()

    def listing(self, generation: int | None) -> FolderListing:
        """What is in it by a generation; ``None``: nothing was ever there. Blocking.

        Raises ``TooManyFiles``, and ``WorkspaceError`` when the store does not have it.
        """
        found, size = FolderListing(generation), 0
        if generation is None:
            return found
        manifest = self._store.manifest(self.name, generation)
        for entry in manifest.entries:
            path = self._inside(entry.path)
            if not path or entry.kind == "directory" or contents.is_partial(path):
                continue
            reason = _fault(path) or self._unfit(entry, size)
            if reason == "hidden":
                continue
            if reason:
                found.left_out[path] = reason
            else:
                size += entry.size
                found.files[path] = entry
            if len(found.files) > MOST_FILES:
                raise TooManyFiles
        for escaped, reason in manifest.left_out:
            if path := self._inside(escaped):
                found.left_out[path] = reason
                found.files.pop(path, None)
        return found

    def _unfit(self, entry: Entry, size: int) -> str:
        """Why an entry is left out beside files of ``size`` bytes; empty when it isn't."""
        if entry.kind == "link":
            return "links are not followed"
        # Zeros without an end take no disk, but time to read.
        return "with it there is more than the disk that was asked for" if size + entry.size > self._largest else ""

    def pieces(self, entry: Entry) -> Iterator[bytes | int]:
        """The content of a file; a number is a hole. Blocking. Raises ``Damaged``."""
        return pieces(entry, self._store.get_chunk)

    async def look(self, path: str) -> Look | None:
        """What is there now; ``None``: nothing is."""
        return await contents.look(self._lab, self._outside(path))

    async def send(self, path: str, descriptor: int, expected: Look | None) -> Look | None:
        """Write an open file there, whole or not at all; how it is there then. ``None``: something else was there.

        ``expected``: what it replaces. Raises ``AccessError``.
        """
        target = self._outside(path)
        await self._make_folders(target)
        partial = contents.partial_name(target)
        try:
            await contents.write(self._lab, partial, descriptor, _untold)
            made = await contents.look(self._lab, partial)
            if expected is None:
                if await contents.look(self._lab, target) is not None:
                    return None
                await contents.rename(self._lab, partial, target)
            else:
                aside = await self._aside(target, expected)
                if aside is None:
                    return None
                await contents.put_in_place(self._lab, partial, target, aside)
        except KernelGone:  # the folder went meanwhile
            self._made.clear()
            return None
        finally:
            with contextlib.suppress(AccessError, KernelGone):
                if await contents.look(self._lab, partial) is not None:
                    await contents.remove(self._lab, partial)
        return made

    async def remove(self, path: str, expected: Look) -> bool:
        """Remove a file, if it is as expected; whether it was. Raises ``AccessError``."""
        try:
            aside = await self._aside(self._outside(path), expected)
            if aside is not None:
                await contents.remove(self._lab, aside)
        except KernelGone:
            return False
        return aside is not None

    async def _aside(self, target: str, expected: Look) -> str | None:
        """Move it aside and look again, where it is then: what was written to meanwhile gets its name back."""
        if not same(await contents.look(self._lab, target), expected):
            return None
        aside = contents.partial_name(target)
        await contents.rename(self._lab, target, aside)
        if not same(await contents.look(self._lab, aside), expected):
            await contents.rename(self._lab, aside, target)
            return None
        return aside

    async def _make_folders(self, target: str) -> None:
        above = ""
        for part in target.split("/")[:-1]:
            above = f"{above}/{part}" if above else part
            if above not in self._made:
                await contents.make_folder(self._lab, above)
                self._made.add(above)

    def _inside(self, path: str) -> str:
        """The path below the folder; empty for what is outside."""
        if not self.place:
            return path
        return path.removeprefix(f"{self.place}/") if path.startswith(f"{self.place}/") else ""

    def _outside(self, path: str) -> str:
        return f"{self.place}/{path}" if self.place else path


def as_saved(entry: Entry) -> Look:
    """How a file of a generation looks while it is unchanged."""
    return Look(entry.size, entry.mtime_ns / 1e9)


def key(entry: Entry) -> str:
    """What is the same for one content that is cut in one way: for the same file, while nobody changes it."""
    made = hashlib.blake2b(repr((entry.size, entry.holes)).encode(), digest_size=32)
    for chunk in entry.chunks:
        made.update(bytes.fromhex(chunk))
    return made.hexdigest()


def same(one: Look | None, other: Look) -> bool:
    """Whether two looks found the same file, unchanged."""
    return one is not None and one.size == other.size and abs(one.changed - other.changed) < _SAME_SECONDS


def _fault(path: str) -> str:
    parts = path.split("/")
    if unescape(path) != path:
        return "its name is not one for every computer"
    if len(parts) > DEEPEST:
        return "it lies too deep"
    return next(filter(None, map(fault_of_name, parts)), "")


async def _untold(_size: int) -> None:
    await asyncio.sleep(0)
