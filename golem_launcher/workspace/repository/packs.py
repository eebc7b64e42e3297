"""Chunks of files, many in one object: a pack. Beside each pack lies its index, written after it.

A chunk is there when an index says so. A pack that nobody needs is first condemned, and deleted an hour later if still
nobody does: a save that counted on it meanwhile finds it missing and brings its chunks again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, TypeVar

import zstandard

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import index_cache
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds, Subset
from golem_launcher.workspace.repository.chunk_locations import ChunkLocations
from golem_launcher.workspace.repository.entry import LARGEST_CHUNK, chunk_digest
from golem_launcher.workspace.repository.pack_writer import MOST_CHUNKS, PackWriter
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from golem_launcher.workspace.backends.locations import Location
    from golem_launcher.workspace.repository.bit_set import BitSet
    from golem_launcher.workspace.repository.chunk_locations import Listed
    from golem_launcher.workspace.repository.sealing import Sealing

SMALL = 1024 * 1024
MANY = 64
"""So many packs smaller than :data:`SMALL` are put together."""
GRACE = timedelta(hours=1)
"""Between the condemning of a pack and its end."""
_LIVE_ENOUGH = 0.5
_READS = 4
"""Of each reader, before what was read is looked at: a thousand indexes at once would be a gigabyte."""
_TOGETHER = 64
"""Chunks that are read at once, where they lie together."""
_MANY_NEW = 8
"""Packs of which one may be new, so that each is looked at by itself: else all are at once."""
_MUCH = 20_000
"""So many chunks that had to be looked at are worth a cache."""
_LEVEL = 1
_SAMPLE = 16 * 1024
_WORTH_IT = 0.95
_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
_DAMAGED = DamagedObject("A part of the store is damaged.")
_LOWER = (1 << 32) - 1


class Packs:
    """The chunks of a store, by their ids. Blocking; one thread at a time."""

    def __init__(self, location: Location, sealing: Sealing, cache: Path | None = None) -> None:
        """``cache``: where on this computer is kept what is known of the store's chunks."""
        self._location = location
        self._sealing = sealing
        self._cache = cache
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)  # to make one takes longer than a small chunk
        known = None if cache is None else index_cache.kept(cache)
        self._chunks, self._condemned = known or (ChunkLocations(), set())
        self._all_located = True
        """Whether chunks are found where they lie. Not while packs come and go, nor after the disk refused a table."""
        self._gone = 0
        """How many packs were found to be so."""
        self._looked_at = 0
        """Chunks of which it was asked where they lie, to find out how much work that was."""
        self._unreadable: set[str] = set()
        self._unwritten = PackWriter(location, sealing)
        self.refresh()
        self._keep()

    def _keep(self) -> None:
        """Keep what is known of the chunks, where it was much work to find out."""
        if self._cache is not None and self._looked_at >= _MUCH:
            index_cache.keep(self._cache, self._chunks, self._condemned)

    def read_anew(self) -> None:
        """Read all indexes, whatever is kept of them here: one that was damaged since is all that others have."""
        if self._cache is not None:
            index_cache.drop(self._cache)
        self._forget([*self._chunks.packs])
        self._unreadable.clear()
        self.refresh()
        self._keep()

    def refresh(self) -> None:
        """Read the indexes that other processes wrote meanwhile, and note what they deleted or condemned."""
        self._await_written()
        condemned = {name.partition("/")[2] for name in self._location.names("condemned/")}
        there = {name.partition("/")[2] for name in self._location.names("indexes/")}
        new = there - self._chunks.packs - self._unreadable
        self._unreadable &= there
        if condemned != self._condemned or len(new) > len(self._chunks.packs) / _MANY_NEW:
            self._all_located = False
            self._condemned = condemned
        for pack, index in self._each(self._load, new):
            if index is None:
                self._unreadable.add(pack)  # damaged or another's: its chunks are missing, the next save brings them
            else:
                self._take(pack, index)
        self._forget(self._chunks.packs - there)
        self._locate_all()

    def _take(self, pack: str, index: Sequence[tuple[bytes, int, int]]) -> None:
        """Add a pack that is there."""
        all_located, self._all_located = self._all_located, False
        self._chunks.add(pack, index)
        self._looked_at += len(index)
        if all_located:
            self._chunks.locate(pack, self._rank)
            self._all_located = True

    def _rank(self, pack: str) -> tuple[bool, str]:
        """Of a chunk in several packs, all who share the store take the same one, and one that is to stay."""
        return pack not in self._condemned, pack

    def _forget(self, gone: Iterable[str]) -> None:
        for pack in gone:
            self._gone += 1
            self._all_located = False
            self._chunks.forget(pack)

    def _locate_all(self) -> None:
        """Find each chunk in the pack of the highest rank that has it.

        Called before chunks are looked for: one that a half-filled table does not lead to would count as lost. Raises
        ``WorkspaceError`` as long as the disk has no room for the table.
        """
        if not self._all_located:
            self._chunks.locate_all(sorted(self._chunks.packs, key=self._rank))
            self._looked_at += self._chunks.chunks
            self._all_located = True

    def _each(self, read: Callable[[str], _T], names: Iterable[str]) -> Iterator[tuple[str, _T]]:
        if self._location.readers == 1:
            yield from ((name, read(name)) for name in names)
            return
        waiting = iter(names)
        with ThreadPoolExecutor(self._location.readers) as pool:
            while some := list(islice(waiting, _READS * self._location.readers)):
                yield from zip(some, pool.map(read, some), strict=True)

    def _load(self, pack: str) -> list[tuple[bytes, int, int]] | None:
        name = f"indexes/{pack}"
        try:
            index = json.loads(zlib.decompress(self._sealing.open(name, self._location.read(name))))
            return [_indexed(chunk, *span) for chunk, span in index.items()]
        except (DamagedObject, FileNotFoundError, ValueError, TypeError, AttributeError, zlib.error):
            return None

    def _found(self, chunk: bytes) -> tuple[str, int, int] | None:
        """The pack that has a chunk, its offset there and its length."""
        self._locate_all()
        row = self._chunks.ids.row(chunk)
        return None if row is None else self._chunks.find(row)

    def __contains__(self, chunk: bytes) -> bool:
        """Whether a generation may name it: else it has to be put first."""
        if chunk in self._unwritten:
            return True
        found = self._found(chunk)
        return found is not None and found[0] not in self._condemned

    def look(self) -> int:
        """See what is gone, as far as can be seen without reading it; how many packs are, since this object was made.

        What was there is there as long as that is the same.
        """
        self.refresh()
        gone = self._chunks.packs - {name.partition("/")[2] for name in self._location.names("packs/")}
        self._forget(gone)  # its index alone is left
        self._unreadable |= gone
        return self._gone

    def lost(self, ids: Iterable[bytes]) -> ChunkIds:
        """The chunks among ``ids`` that were not there any more at the last :meth:`look`."""
        return ChunkIds(chunk for chunk in ids if chunk not in self._unwritten and self._found(chunk) is None)

    def put(self, chunk: bytes, plain: bytes) -> None:
        """Keep a chunk. Raises ``WorkspaceError`` when it is not what its id says."""
        if chunk_digest(plain).digest() != chunk or len(plain) > LARGEST_CHUNK:
            raise WorkspaceError("The provider sent other bytes than it had announced.")
        if chunk in self:
            return
        if self._unwritten.full:  # it could not be written down before
            self.flush()
        self._unwritten.add(chunk, self._sealing.seal(chunk.hex(), _squeezed(plain, self._compressor)))
        if self._unwritten.full:
            self._take_written()
            self._unwritten.begin()

    def flush(self) -> None:
        """Write down what was put so far, and wait until it is there."""
        self._take_written()
        self._unwritten.begin()
        self._take_written()

    def _take_written(self) -> None:
        """Wait for the pack that is being written, if any: it is there, whatever fails from here on.

        Called before anything else is written to the location. Raises ``WorkspaceError`` when it could not be written.
        """
        if (written := self._unwritten.finish()) is not None:
            self._take(*written)

    def _await_written(self) -> None:
        """The same before something is read: a pack that could not be written is tried again by who puts the next."""
        try:
            self._take_written()
        except WorkspaceError as error:
            _LOG.info("a pack could not be written, and is tried again: %s", error)

    def get(self, chunk: bytes) -> bytes:
        """A chunk's bytes, checked. Raises ``WorkspaceError`` when it is lost or damaged."""
        return self._plain(chunk, self._sealed(chunk))

    def get_all(self, chunks: Sequence[bytes]) -> Iterator[bytes]:
        """The bytes of chunks, in their order; those that lie together are read at once. Raises as :meth:`get`."""
        at = 0
        while at < len(chunks):
            for sealed in self._read_together(chunks[at : at + _TOGETHER]) or [self._sealed(chunks[at])]:
                yield self._plain(chunks[at], sealed)
                at += 1

    def _read_together(self, chunks: Sequence[bytes]) -> list[bytes]:
        """The first of these chunks, as far as they lie behind each other in one pack, sealed."""
        self._await_written()
        pack, begin, end, ends = "", 0, 0, [0]
        for chunk in chunks:
            found = None if chunk in self._unwritten else self._found(chunk)
            if found is None or (len(ends) > 1 and found[:2] != (pack, end)):
                break
            pack, end = found[0], found[1] + found[2]
            begin = end - found[2] if len(ends) == 1 else begin
            ends.append(end - begin)
        try:
            data = self._location.read(f"packs/{pack}", begin, end - begin) if pack else b""
        except FileNotFoundError:  # they were put together with others
            return []
        return [data[one:other] for one, other in pairwise(ends)]

    def _plain(self, chunk: bytes, sealed: bytes) -> bytes:
        plain = _expanded(self._sealing.open(chunk.hex(), sealed))
        if chunk_digest(plain).digest() != chunk:
            raise _DAMAGED
        return plain

    def _sealed(self, chunk: bytes) -> bytes:
        if chunk in self._unwritten:
            return self._unwritten[chunk]
        self._await_written()
        for looked_again in (False, True):
            found = self._found(chunk)
            if found is not None:
                pack, offset, length = found
                with contextlib.suppress(FileNotFoundError):
                    return self._location.read(f"packs/{pack}", offset, length)
            if not looked_again:  # another process may have put packs together
                self.refresh()
        raise _DAMAGED

    @property
    def many(self) -> int:
        """The number of chunks: all rows are below it."""
        self._locate_all()
        return len(self._chunks.ids)

    def rows(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """A number for each of those that are here, the same for the same one until the next :meth:`refresh`."""
        return (row for chunk in chunks if (row := self._chunks.ids.row(chunk)) is not None)

    def size(self, row: int) -> int:
        """What the chunk in a row takes in the store."""
        self._locate_all()
        found = self._chunks.find(row)
        return 0 if found is None else found[2]

    def bytes_of(self, rows: BitSet) -> int:
        """What the chunks in these rows take, together."""
        self._locate_all()
        return self._chunks.bytes_of(rows)

    @property
    def condemned_bytes(self) -> int:
        """What is to be deleted, and takes room until then."""
        return sum(self._chunks[pack].bytes for pack in self._condemned & self._chunks.packs)

    def subset(self) -> Subset:
        """An empty set that holds very many of the store's chunks in little memory."""
        return Subset(self._chunks.ids)

    def collect(self, live: Subset, *, now: datetime, grace: timedelta | None = None) -> None:
        """Let go of packs without ``live`` chunks, in two steps; packs that are mostly dead are written anew.

        So are small ones when they are many: each save makes one, and whoever opens the store reads them all.
        """
        self._take_written()
        self._locate_all()
        chunks = self._chunks
        unfinished = {name.partition("/")[2] for name in self._location.names("packs/")} - chunks.packs
        small = {name for name in chunks.packs if _is_small(chunks[name])} - self._condemned
        if len(small) < MANY:
            small = set()
        for name in chunks.packs | unfinished - self._unreadable:
            held = list(chunks.rows_of(name)) if name in chunks.packs else []
            found = [chunks.find(row) for row in held]
            if None in found:  # it is not known where all of its chunks lie, so not either which of them need it
                continue
            needed = [
                chunk
                for row, place in zip(held, found, strict=True)
                if place is not None and place[0] == name and (chunk := chunks.ids[row]) in live
            ]
            if name in self._condemned:
                if needed:  # whether or not they are to be written anew, too: that may fail
                    self._location.delete(f"condemned/{name}")  # a generation counts on it again
                elif self._since(name, now) > (grace or GRACE):
                    for kind in ("indexes", "packs", "condemned"):  # in this order: no index without its pack
                        self._location.delete(f"{kind}/{name}")
            elif len(needed) < _LIVE_ENOUGH * len(held) or not held or name in small:
                self._condemn(name, now)
                for chunk in needed:
                    with contextlib.suppress(DamagedObject):  # it keeps what is left of its pack
                        self.put(chunk, self.get(chunk))
        self.flush()
        self.refresh()

    def distrust(self, chunk: bytes) -> None:
        """Stop counting on the pack of a damaged chunk, so that later saves bring its chunks again. Deletes nothing."""
        self._await_written()
        found = self._found(chunk)
        if found is not None and found[0] not in self._condemned:
            self._condemn(found[0], now())

    def _condemn(self, pack: str, moment: datetime) -> None:
        self._location.write(f"condemned/{pack}", [moment.isoformat().encode()])
        self._condemned.add(pack)

    def _since(self, pack: str, now: datetime) -> timedelta:
        try:
            return now - datetime.fromisoformat(self._location.read(f"condemned/{pack}").decode())
        except (FileNotFoundError, ValueError, TypeError):
            return timedelta(0)


def _is_small(pack: Listed) -> bool:
    """Whether it is worth putting together with others."""
    return pack.bytes < SMALL and pack.chunks < MOST_CHUNKS // 2


def _indexed(chunk: str, offset: int, length: int) -> tuple[bytes, int, int]:
    """What an index says of a chunk. Raises ``ValueError`` for what was never written."""
    found = bytes.fromhex(chunk)
    if len(found) != ID_BYTES or not (0 <= offset <= _LOWER and 0 <= length <= _LOWER):
        raise ValueError(chunk)
    return found, int(offset), int(length)


def _squeezed(plain: bytes, compressor: zstandard.ZstdCompressor) -> bytes:
    """Compressed where a sample says that it is worth it."""
    sample = plain[:_SAMPLE]
    packed = compressor.compress(sample)
    if len(packed) < _WORTH_IT * len(sample):
        return b"z" + (packed if len(sample) == len(plain) else compressor.compress(plain))
    return b"=" + plain


def _expanded(data: bytes) -> bytes:
    if data[:1] == b"=":
        return data[1:]
    try:
        return zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=LARGEST_CHUNK)
    except zstandard.ZstdError:
        raise _DAMAGED from None


def now() -> datetime:
    """The present time in UTC, as manifests have it."""
    return datetime.now(UTC)
