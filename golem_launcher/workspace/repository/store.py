"""The store: generations of workspaces on the user's side.

A generation is there when its manifest is; it is written last, after every chunk that it names, and never changed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import secrets
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.errors import WorkspaceError
from golem_launcher.suggestions import did_you_mean
from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line
from golem_launcher.workspace.backends import locations
from golem_launcher.workspace.backends.redaction import redacted
from golem_launcher.workspace.repository import entry_record, index_cache, manifest_lists, retention
from golem_launcher.workspace.repository.bit_set import BitSet
from golem_launcher.workspace.repository.chunk_ids import ChunkIds
from golem_launcher.workspace.repository.entries import Entries, checked
from golem_launcher.workspace.repository.entry import Entry, chunk_digest
from golem_launcher.workspace.repository.manifest import Environment, Manifest
from golem_launcher.workspace.repository.packs import Packs, now
from golem_launcher.workspace.repository.saved_manifests import SavedManifests, object_name
from golem_launcher.workspace.repository.sealing import DamagedObject, Sealing, sealing
from golem_launcher.workspace.repository.verification import VerifyReport, losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from golem_launcher.workspace.backends.locations import Location
    from golem_launcher.workspace.repository.chunk_ids import Subset
    from golem_launcher.workspace.repository.generation import Generation

_LOG = logging.getLogger(__name__)

SOON = timedelta(minutes=2)
"""The grace of packs that are let go because there are too many: a save that counts on one takes seconds."""
_MARK = "store"
"""An object with a name of its own for each store."""
_MOST_FLAGS = 20
_LONGEST_FLAG = 300


class Store:
    """Keeps generations. Every method blocks; threads may share it. All raise ``WorkspaceError``."""

    def __init__(self, location: Location, sealing: Sealing, url: str | None = None, cache: Path | None = None) -> None:
        """``cache``: where on this computer is kept what is known of its chunks."""
        self._location = location
        self._cache = cache
        self._sealing = sealing
        self._manifests = SavedManifests(location, sealing, self._lists)
        self._lock = threading.RLock()
        self._read_packs: Packs | None = None
        self.shown = redacted(url)
        """Its address without credentials; empty for this computer's own store."""
        self._whole_lists = ChunkIds()
        """Lists that were read, or written, so that a generation may name them."""
        self._own: dict[str, int] = {}
        """The newest generation of each workspace that was saved here."""
        self._whole: tuple[Entries, int] = (Entries(), 0)
        """Whose chunks were all there when they were last looked for one by one, and how many packs were gone then."""
        self._mark = b""
        """What tells this store from any other, once a session relies on it."""
        self.taken = 0
        """Bytes of the chunks that were put so far."""

    @property
    def _packs(self) -> Packs:
        """All chunks: read once somebody asks of any. Who lists saves need not wait for millions of them."""
        with self._lock:
            if self._read_packs is None:
                self._read_packs = Packs(self._location, self._sealing, self._cache)
            return self._read_packs

    def establish(self) -> None:
        """Make the store when it is not there. Called once, when a session begins to save: it is never made again."""
        with self._lock:
            self._location.establish()
            if not self._location.create(_MARK, [secrets.token_hex(16).encode()]):
                _LOG.debug("the store was there")
            self._mark = self._location.read(_MARK)

    def check_place(self) -> None:
        """Raise ``WorkspaceError`` when the store that was established is not there, or another is in its place."""
        if not self._mark:
            return
        try:
            mark = self._location.read(_MARK)
        except FileNotFoundError:
            mark = b""
        if mark != self._mark:
            what = "is not there any more" if not mark else "was exchanged for another one"
            raise WorkspaceError(f"The store {self.shown or 'of this computer'} {what}.", "Put it back where it was.")

    def holds(self, workspace: str, number: int, entries: Entries) -> bool:
        """Whether a generation is there with the chunks of these, as far as can be seen without reading them."""
        with self._lock:
            try:
                self._manifests.check(workspace, number)
            except (DamagedObject, FileNotFoundError):
                return False
            gone = self._packs.look()
            if entries is self._whole[0] and gone == self._whole[1]:
                return True
            if self._packs.lost(entries.chunk_ids()):
                return False
            if entries:
                self._whole = entries, gone
            return True

    def lost(self, entries: Entries) -> list[str]:
        """The files that have lost a chunk, as far as can be seen without reading them."""
        with self._lock:
            self._packs.look()
            lost = self._packs.lost(entries.chunk_ids())
        return [
            entry_record.path(each)
            for each in entries.records
            if any(map(lost.__contains__, entry_record.chunk_ids(each)))
        ]

    def has(self, chunk: bytes) -> bool:
        """Whether the store has a chunk, so that a generation may name it."""
        with self._lock:
            return chunk in self._packs

    def missing(self, ids: Iterable[str]) -> set[str]:
        """The chunks that the store lacks: they have to be put before a generation may name them."""
        return {chunk for chunk in ids if not self.has(bytes.fromhex(chunk))}

    def put_chunk(self, identifier: str, plain: bytes) -> None:
        """Keep a chunk; it is re-hashed, and refused when it is not what its id says."""
        with self._lock:
            self._packs.put(bytes.fromhex(identifier), plain)
            self.taken += len(plain)

    def get_chunk(self, identifier: str) -> bytes:
        """A chunk's bytes, re-hashed."""
        with self._lock:
            return self._packs.get(bytes.fromhex(identifier))

    def commit(
        self,
        workspace: str,
        entries: Iterable[Entry],
        environment: Environment | None = None,
        flags: Sequence[str] = (),
        *,
        left_out: Mapping[str, str] | None = None,
        created_at: datetime | None = None,
    ) -> Generation:
        """Make a generation of chunks that are all there. When this returns, it outlives a power cut."""
        with self._lock:
            numbers = self._manifests.numbers(workspace)
            parent = numbers[-1] if numbers else None
            if self._own.get(workspace, parent) != parent:
                flags = [*flags, f"Somebody else has saved into this workspace, too: save {parent}."]
            manifest = Manifest(
                workspace=workspace,
                generation=(parent or 0) + 1,
                parent=parent,
                created_at=created_at or now(),
                entries=checked(entries),
                environment=environment or Environment(),
                flags=tuple(clean_line(flag, longest=_LONGEST_FLAG) for flag in flags[:_MOST_FLAGS]),
                left_out=tuple((left_out or {}).items()),
            )
            names, rest = manifest_lists.cut(manifest.lines(), self._keep_list)
            self._packs.flush()
            self._packs.refresh()
            needed = itertools.chain(names, manifest.entries.chunk_ids())
            lost = ChunkIds(chunk for chunk in needed if chunk not in self._packs)
            if lost:
                parts = counted(len(lost), "part of the workspace is", "parts of the workspace are")
                raise WorkspaceError(f"{parts} not in the store yet.", "Save again.")
            while True:
                generation = self._manifests.create(manifest, names, rest)
                if generation is not None:
                    self._own[workspace] = generation.number
                    return generation
                # Somebody else saved this workspace at the same moment: theirs stays, ours is the next one.
                manifest = replace(manifest, generation=manifest.generation + 1, parent=manifest.generation)

    def _keep_list(self, plain: bytes) -> bytes:
        """Put a list of a manifest, as its name says; one that is there, unless it can't be read."""
        name = chunk_digest(plain).digest()
        if name not in self._whole_lists and name in self._packs:
            try:
                self._packs.get(name)
            except DamagedObject:  # nothing of what this generation says would be known
                self._packs.distrust(name)
        self._packs.put(name, plain)
        self._whole_lists.add(name)
        return name

    def workspaces(self) -> list[Generation]:
        """The newest generation of every workspace, the newest first."""
        with self._lock:
            every = map(self._manifests.from_the_newest, self._manifests.workspaces())
            newest = [each for generations in every for each in islice(generations, 1)]
            return sorted(newest, key=lambda generation: generation.created_at, reverse=True)

    def unreadable(self) -> dict[str, list[int]]:
        """The generations of each workspace that can't be read: damaged, or written with another key."""
        with self._lock:
            found = {}
            for workspace in sorted(self._manifests.workspaces()):
                readable = {generation.number for generation in self._manifests.generations(workspace)}
                if lost := [number for number in self._manifests.numbers(workspace) if number not in readable]:
                    found[workspace] = lost
            return found

    def generations(self, workspace: str) -> list[Generation]:
        """The generations of a workspace, the oldest first."""
        with self._lock:
            return self._manifests.generations(workspace)

    def newest(self, workspace: str, most: int) -> list[Generation]:
        """The last ``most`` generations of a workspace, the newest first; of thousands, no others are looked at."""
        with self._lock:
            return list(islice(self._manifests.from_the_newest(workspace), most))

    def manifest(self, workspace: str, number: int | None = None) -> Manifest:
        """One generation, whole; the newest when no number is given. An older one is never taken in its place."""
        with self._lock:
            numbers = self._manifests.numbers(workspace)
            if not numbers:
                raise _unknown(workspace, number, numbers, self._manifests.workspaces())
            wanted = numbers[-1] if number is None else number
            try:
                return self._manifests.read(workspace, wanted)
            except FileNotFoundError:
                raise _unknown(workspace, number, numbers) from None
            except DamagedObject as error:
                others = sorted(numbers, key=lambda each: (each > wanted, abs(each - wanted)))
                nearest = next(
                    (each for each in others if each != wanted and self.holds(workspace, each, Entries())), None
                )
                raise DamagedObject(
                    f"Generation {wanted} of '{workspace}' can't be read: {error.what}",
                    f"The nearest that can be read is {nearest}; ask for it as '{workspace}@{nearest}' or with "
                    f"--generation {nearest}. How to mend it: golem-launcher verify {workspace}"
                    if nearest
                    else error.remedy or f"No other can be read. How to mend it: golem-launcher verify {workspace}",
                ) from None

    def remove(self, workspace: str) -> None:
        """Forget a workspace with all its generations; its room is free after the next :meth:`prune` but one."""
        with self._lock:
            for number in self._manifests.numbers(workspace):
                self._manifests.delete(workspace, number)

    def size(self, workspace: str) -> int:
        """The bytes that a workspace's generations take, with those that the whole store is about to delete."""
        with self._lock:
            needed = BitSet(self._packs.many)
            for number in self._manifests.numbers(workspace):
                for row in self._rows_of(workspace, number):
                    needed.add(row)
            return self._packs.bytes_of(needed) + self._packs.condemned_bytes

    def thin(self, workspace: str, most: int, *, at: datetime | None = None) -> None:
        """Forget generations of a workspace until they take at most ``most`` bytes; their room is free soon."""
        moment = at or clock.now()
        with self._lock:
            found = self._manifests.generations(workspace)
            chunks = retention.KeptChunks(
                self._packs.many, lambda number: self._rows_of(workspace, number), self._packs.size
            )
            keep = retention.within(found, moment, most, chunks)
            for generation in found:
                if generation.number not in keep:
                    self._manifests.delete(workspace, generation.number)
        self.prune(at=at, grace=SOON)

    def _rows_of(self, workspace: str, number: int) -> Iterator[int]:
        """The rows in the packs of the chunks that a generation needs."""
        with contextlib.suppress(DamagedObject, FileNotFoundError):
            yield from self._packs.rows(self._manifests.chunks_in(object_name(workspace, number)))

    def prune(self, *, at: datetime | None = None, grace: timedelta | None = None) -> None:
        """Forget generations as :mod:`retention` says, and chunks that no generation needs any more.

        Chunks are only forgotten when every generation in the store can be read: one that can't be (it is damaged, or
        encrypted with another computer's key) may need them. How old a generation is, is judged by a clock that does
        not jump: a time of day that is set forth would make all of them too old at once.
        """
        moment = at or clock.now()
        for workspace in self._manifests.workspaces():
            found = self._manifests.generations(workspace)
            keep = retention.kept(found, moment)
            for generation in found:
                if generation.number not in keep:
                    self._manifests.delete(workspace, generation.number)
        live = self._packs.subset()
        seen: set[str] = set()
        read = ChunkIds()
        if not self._live(live, seen, read):  # most of the reading, while others save
            return
        with self._lock:
            self._packs.refresh()
            if self._live(live, seen, read):
                self._packs.collect(live, now=at or now(), grace=grace)

    def _live(self, live: Subset, seen: set[str], read: ChunkIds) -> bool:
        """Add the chunks of all generations that are not among those ``seen``; whether each could be read.

        What lists have that were ``read`` is among them.
        """
        for name in self._manifests.objects() - seen:
            try:
                for chunk in self._manifests.chunks_in(name, read):
                    live.add(chunk)
            except (WorkspaceError, FileNotFoundError, ValueError):
                return False
            seen.add(name)
        return True

    def verify(self, workspace: str, progress: Callable[[int, int], None] = lambda _done, _total: None) -> VerifyReport:
        """Read and re-hash every chunk of every generation of a workspace, by the indexes as they are in the store."""
        with self._lock:
            numbers = self._manifests.numbers(workspace)
        if not numbers:
            raise _unknown(workspace, None, numbers)
        with self._lock:
            self._packs.read_anew()
        damaged: list[str] = []
        manifests = [each for number in numbers if (each := self._told(workspace, number, damaged)) is not None]
        wanted = ChunkIds(chunk for manifest in manifests for chunk in manifest.entries.chunk_ids())
        lost = ChunkIds()
        for done, chunk in enumerate(wanted):
            progress(done, len(wanted))
            try:
                with self._lock:
                    self._packs.get(chunk)
            except DamagedObject:
                lost.add(chunk)
                with self._lock:
                    self._packs.distrust(chunk)
        return VerifyReport(len(numbers), len(wanted), (*damaged, *losses(manifests, lost)))

    def _told(self, workspace: str, number: int, damaged: list[str]) -> Manifest | None:
        """A generation, unless it is too old by now; ``damaged`` gets a sentence where it can't be read."""
        try:
            return self._manifests.read(workspace, number)
        except FileNotFoundError:
            pass
        except WorkspaceError as error:
            damaged.append(f"Generation {number} can't be read: {error.what}")
        return None

    def _lists(self, names: Sequence[bytes]) -> Iterator[bytes]:
        """What is in these lists."""
        found, length = self._packs.get_all(names), 0
        for name in names:
            with self._lock:  # others save meanwhile
                plain = next(found)
                self._whole_lists.add(name)
            length += len(plain)
            if length > manifest_lists.LARGEST:
                raise DamagedObject("A saved state is too long.")
            yield plain


def open_store(url: str | None = None, *, encrypt: bool = False) -> Store:
    """The store at ``url`` (a directory, an fsspec URL, ``redis://``); ``None`` is this computer's own. Blocking.

    ``encrypt``: what is written from now on. Raises ``WorkspaceError``, also when it can't be reached. A store takes as
    long with ten million chunks as with none: they are looked at when somebody asks of one.
    """
    location, sealed, cache = locations.open_location(url), sealing(encrypt=encrypt), None
    with contextlib.suppress(FileNotFoundError):  # nobody has saved there yet
        cache = index_cache.place_of(location.read(_MARK), sealed.key)
    return Store(location, sealed, url, cache)


def _unknown(workspace: str, number: int | None, numbers: Sequence[int], known: Iterable[str] = ()) -> WorkspaceError:
    if not numbers:
        remedy = f"{did_you_mean(workspace, known)} See `golem-launcher workspaces`.".strip()
        return WorkspaceError(f"There is no saved workspace '{workspace}'.", remedy)
    if number is None:
        return WorkspaceError(f"No generation of '{workspace}' can be read.", f"golem-launcher verify {workspace}")
    there = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"only {numbers[0]}"
    return WorkspaceError(
        f"'{workspace}' has no save {number}; it has {there}.",
        f"See `golem-launcher generations {workspace}`.",
    )
