"""The generations of one workspace in its store, as a running session adds to them.

They are kept within the room that they may take, and within what the provider may send: it decides how much comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError
from golem_launcher.units import data_size
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry_records import Records, beside
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue
from golem_launcher.workspace.transfer.fence import Fence
from golem_launcher.workspace.transfer.omissions import Omissions
from golem_launcher.workspace.transfer.space_limits import NoRoom, lacking
from golem_launcher.workspace.transfer.tree import digest, shrunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from golem_launcher.workspace.repository.generation import Generation
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store

_LOG = logging.getLogger(__name__)

ON_ITS_WAY = "it is on its way"
_RESTLESS = "it changes all the time"
_IN_VAIN = 2
"""Times the disk asked for: what may arrive without one whole save."""
_PRUNE_EVERY = 50
"""Generations."""
_TOLD, _THINNED, _OVER = 0.8, 0.6, 1.25
"""Of what saves may take: when it is told, what is left when it was too much, and what they take at worst."""


@dataclass(frozen=True)
class SaveLimits:
    """What a provider may make us keep."""

    total_bytes: int = 100 * 2**30
    """Of all files of one generation: the disk asked for, say."""
    kept_bytes: int = 20 * 2**30
    """Of all generations in the store."""


class AddedGenerations:
    """Used by one :class:`Saver`; ``begin`` once, before all else. Raises ``WorkspaceError`` as the store does."""

    def __init__(
        self,
        store: Store,
        workspace: str,
        limits: SaveLimits,
        added: Callable[[Generation, int], None],
        fence: Fence | None = None,
    ) -> None:
        """``added`` is called with each new generation and the bytes that it took in the store.

        None is made once the ``fence`` is closed.
        """
        self._store = store
        self._workspace = workspace
        self._limits = limits
        self._added = added
        self._fence = fence or Fence()
        self.entries = Entries()
        """What the newest generation has."""
        self.environment: Environment | None = None
        """The packages in it; ``None`` where nothing is known of them."""
        self.kept = 0
        """Bytes that all generations of the workspace take, about."""
        self.flagged = ""
        """What was odd about the newest generation, in sentences."""
        self._seen: dict[bytes, int] = {}
        """The generations of this session, by what is in them."""
        self._newest: int | None = None
        self._commits = 0
        self._taken = store.taken
        """What the store had taken at the last generation."""

    async def begin(self, after: int | None) -> Manifest | None:
        """Compare with the generation ``after`` which the session was restored from, if it was; its manifest."""
        self.kept = await asyncio.to_thread(self._store.size, self._workspace)
        if after is None:
            return None
        manifest = await asyncio.to_thread(self._store.manifest, self._workspace, after)
        self.entries, self.environment, self._newest = manifest.entries, manifest.environment, manifest.generation
        self._seen[await asyncio.to_thread(digest, manifest.entries)] = manifest.generation
        return manifest

    async def are_there(self) -> bool:
        """Whether the newest generation is still in the store, which may be put away, emptied or exchanged in use.

        Where it is not, everything is to be saved again.
        """
        await asyncio.to_thread(self._store.check_place)
        number = self._newest
        if number is None or await asyncio.to_thread(self._store.holds, self._workspace, number, self.entries):
            return True
        _LOG.warning("generation %s is not in the store any more: everything is saved again", number)
        self.entries, self.environment, self._newest = Entries(), None, None
        self._seen.clear()
        return False

    def refuse_noise(self) -> None:
        """Raise ``WorkspaceError`` when the provider sent more than a disk holds, and never one whole save."""
        if self._store.taken - self._taken > _IN_VAIN * self._limits.total_bytes:
            raise WorkspaceError(
                "The provider has sent more than its disk holds, and no whole save. Nothing more is taken from it.",
                "What was saved before is safe. Download what you need, and go on with another provider.",
            )

    @property
    def room(self) -> int:
        """How many bytes may be brought now. What was let go of takes room for a while yet."""
        return int(_OVER * self._limits.kept_bytes) - self.kept

    async def fit(self, entries: Entries) -> tuple[ChunkQueue, NoRoom]:
        """The chunks of these entries that are to be brought, and what there is no room for."""
        wanted, no_room = await self._lacking(entries)
        if no_room.kept_full or self.kept + wanted.bytes > self._limits.kept_bytes:
            del wanted  # there is never a second one beside it
            await self._thin()
            wanted, no_room = await self._lacking(entries)
        return wanted, no_room

    async def _lacking(self, entries: Entries) -> tuple[ChunkQueue, NoRoom]:
        wanted = ChunkQueue()
        return wanted, await asyncio.to_thread(lacking, self._store, entries.records, wanted, self.room)

    async def _thin(self) -> None:
        """The saves take as much as they may, or soon will: let go of those that are needed least."""
        await asyncio.to_thread(self._store.thin, self._workspace, int(_THINNED * self._limits.kept_bytes))
        self.kept = await asyncio.to_thread(self._store.size, self._workspace)

    def savable(self, entries: Entries, gone: set[str], hopeless: bytearray) -> tuple[Entries, Omissions, bool]:
        """What can be saved now; what of it is not as it is in the workspace, and why; whether some is to come.

        A file of which the store lacks something stays as it was saved before, or is left out. ``gone``: chunks that
        the provider has no more; ``hopeless``: which of the entries there is no room for. Blocking.
        """
        has = self._store.has
        late, some_to_come, as_they_are = Omissions(), False, True

        def kept() -> Iterator[bytes]:
            nonlocal some_to_come, as_they_are
            index = -1
            for each, old in beside(entries.records, self.entries.records):
                if each is None:
                    continue
                index += 1
                if all(map(has, entry_record.chunk_ids(each))):
                    yield each
                    continue
                as_they_are = False
                if not hopeless[index]:
                    to_come = not gone or gone.isdisjoint(chunk.hex() for chunk in entry_record.chunk_ids(each))
                    late.add(entry_record.path(each), ON_ITS_WAY if to_come else _RESTLESS)
                    some_to_come = some_to_come or to_come
                if old is not None and entry_record.is_file(old) and all(map(has, entry_record.chunk_ids(old))):
                    yield old

        records = Records(kept())
        return entries if as_they_are else Entries(records), late, some_to_come

    async def commit(self, entries: Entries, environment: Environment | None, left_out: Mapping[str, str]) -> None:
        """Make a generation of these entries, all of whose chunks are there; none while nothing is there yet."""
        packages = environment or Environment()
        if not (self.entries or packages.requirements or any(map(entry_record.is_file, entries.records))):
            return
        flags = []
        content, last, vanished = await asyncio.to_thread(_compared, entries, self.entries)
        if vanished:
            flags.append(f"{vanished}.")
        if content != last and (again := self._seen.get(content)) is not None:
            flags.append(f"The files are again those of save {again}.")
        commit = functools.partial(self._store.commit, self._workspace, entries, packages, flags, left_out=left_out)
        committing = asyncio.ensure_future(asyncio.to_thread(self._fenced, commit))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:  # it can't be taken back: nobody may go on from an older generation now
            await asyncio.wait({committing})
            if not committing.cancelled() and committing.exception() is None:
                self._made(committing.result(), entries, environment, content)
            raise
        self._made(committing.result(), entries, environment, content)
        self._commits += 1
        if self._commits % _PRUNE_EVERY == 0:
            with contextlib.suppress(WorkspaceError):
                await asyncio.to_thread(self._store.prune)

    def stop(self) -> None:
        """Make none any more. Blocking."""
        self._fence.close()

    def _fenced(self, commit: Callable[[], Generation]) -> Generation:
        with self._fence.passing():
            return commit()

    def _made(self, generation: Generation, entries: Entries, environment: Environment | None, content: bytes) -> None:
        """There is a new generation."""
        before, self._newest = self._newest, generation.number
        size = self._store.taken - self._taken
        self.kept += size
        self.entries, self.environment = entries, environment
        self._taken = self._store.taken
        self._seen.setdefault(content, generation.number)
        kept = [f"Save {before} is kept as it was."] if generation.flags and before is not None else []
        self.flagged = " ".join([*generation.flags, *kept])
        self._added(generation, size)

    def fullness(self) -> str:
        """A sentence when they take nearly as much as they may; else empty."""
        if self.kept <= _TOLD * self._limits.kept_bytes:
            return ""
        return (
            f"The saves of this workspace take {data_size(self.kept)} of at most "
            f"{data_size(self._limits.kept_bytes)}; beyond that the ones that are needed least are deleted."
        )


def _compared(entries: Entries, before: Entries) -> tuple[bytes, bytes, str]:
    """The digests of both, and what vanished in between. Blocking, a second for very many."""
    return digest(entries), digest(before), shrunk(before, entries)
