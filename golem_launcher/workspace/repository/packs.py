"""Chunks of files, many in one object: a pack. Beside each pack lies its index, written after it.

A chunk is there when an index says so. A pack that nobody needs is first condemned, and deleted an hour later if still
nobody does: a save that counted on it meanwhile finds it missing and brings its chunks again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

import zstandard

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository.manifest import LARGEST_CHUNK, chunk_id
from golem_launcher.workspace.repository.sealing import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from golem_launcher.workspace.backends.locations import Location
    from golem_launcher.workspace.repository.sealing import Sealing

PACK_BYTES = 6 * 1024 * 1024
"""A pack is written when it has grown to this."""
SMALL = 1024 * 1024
MANY = 64
"""So many packs smaller than :data:`SMALL` are put together."""
GRACE = timedelta(hours=1)
"""Between the condemning of a pack and its end."""
_LIVE_ENOUGH = 0.5
_LEVEL = 1
_SAMPLE = 16 * 1024
_WORTH_IT = 0.95
_T = TypeVar("_T")
_DAMAGED = Damaged("A part of the store is damaged.")


@dataclass(frozen=True)
class _Place:
    pack: str
    offset: int
    length: int


class Packs:
    """The chunks of a store. Blocking; one thread at a time."""

    def __init__(self, location: Location, sealing: Sealing) -> None:
        self._location = location
        self._sealing = sealing
        self._places: dict[str, _Place] = {}
        self._held: dict[str, dict[str, _Place]] = {}
        self._unreadable: set[str] = set()
        self._condemned: set[str] = set()
        self._open: dict[str, bytes] = {}
        """What is not written down yet, sealed, in its order."""
        self._open_bytes = 0
        self.refresh()

    def refresh(self) -> None:
        """See what others wrote, deleted and condemned meanwhile."""
        condemned = {name.partition("/")[2] for name in self._location.names("condemned/")}
        there = {name.partition("/")[2] for name in self._location.names("indexes/")}
        new = there - self._held.keys() - self._unreadable
        self._unreadable &= there
        for pack, held in zip(new, self._each(self._load, new), strict=True):
            if held is None:
                self._unreadable.add(pack)  # damaged or another's: its chunks are missing, the next save brings them
            else:
                self._held[pack] = held
        gone = self._held.keys() - there
        for pack in gone:
            del self._held[pack]
        if new or gone or condemned != self._condemned:
            self._condemned = condemned
            self._place()

    def _place(self) -> None:
        """Of a chunk in several packs, all who share the store take the same one, and one that is to stay."""
        self._places = {}
        for pack in sorted(self._held, key=lambda pack: (pack not in self._condemned, pack)):
            self._places.update(self._held[pack])

    def _each(self, read: Callable[[str], _T], names: Iterable[str]) -> list[_T]:
        if self._location.readers == 1:
            return [read(name) for name in names]
        with ThreadPoolExecutor(self._location.readers) as pool:
            return list(pool.map(read, names))

    def _load(self, pack: str) -> dict[str, _Place] | None:
        name = f"indexes/{pack}"
        try:
            index = json.loads(zlib.decompress(self._sealing.open(name, self._location.read(name))))
            return {chunk: _Place(pack, int(offset), int(length)) for chunk, (offset, length) in index.items()}
        except (Damaged, FileNotFoundError, ValueError, TypeError, AttributeError, zlib.error):
            return None

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that have to be put before a generation may name them."""
        return {
            chunk
            for chunk in ids
            if chunk not in self._open and ((place := self._places.get(chunk)) is None or place.pack in self._condemned)
        }

    def lost(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that can't be had any more, as far as can be seen without reading them."""
        self.refresh()
        gone = self._held.keys() - {name.partition("/")[2] for name in self._location.names("packs/")}
        for pack in gone:  # its index alone is left
            del self._held[pack]
            self._unreadable.add(pack)
        if gone:
            self._place()
        return {chunk for chunk in ids if chunk not in self._open and chunk not in self._places}

    def put(self, chunk: str, plain: bytes) -> None:
        """Keep a chunk. Raises ``WorkspaceError`` when it is not what its id says."""
        if chunk_id(plain) != chunk or len(plain) > LARGEST_CHUNK:
            raise WorkspaceError("The provider sent other bytes than it had announced.")
        if not self.missing([chunk]):
            return
        if self._open_bytes >= PACK_BYTES:  # it could not be written down before
            self.flush()
        self._open[chunk] = self._sealing.seal(chunk, _squeezed(plain))
        self._open_bytes += len(self._open[chunk])
        if self._open_bytes >= PACK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write down what was put so far: the pack, then its index."""
        if not self._open:
            return
        pack = secrets.token_hex(12)
        self._location.write(f"packs/{pack}", b"".join(self._open.values()))
        offsets = accumulate(map(len, self._open.values()), initial=0)
        places = {
            chunk: (offset, len(sealed)) for offset, (chunk, sealed) in zip(offsets, self._open.items(), strict=False)
        }
        index = zlib.compress(json.dumps(places, separators=(",", ":")).encode(), 1)
        self._location.write(f"indexes/{pack}", self._sealing.seal(f"indexes/{pack}", index))
        self._held[pack] = {chunk: _Place(pack, *span) for chunk, span in places.items()}
        self._places |= self._held[pack]
        self._open, self._open_bytes = {}, 0

    def get(self, chunk: str) -> bytes:
        """A chunk's bytes, checked. Raises ``WorkspaceError`` when it is lost or damaged."""
        plain = _expanded(self._sealing.open(chunk, self._open.get(chunk) or self._read(chunk)))
        if chunk_id(plain) != chunk:
            raise _DAMAGED
        return plain

    def _read(self, chunk: str) -> bytes:
        for looked_again in (False, True):
            place = self._places.get(chunk)
            if place is not None:
                with contextlib.suppress(FileNotFoundError):
                    return self._location.read(f"packs/{place.pack}", place.offset, place.length)
            if not looked_again:  # another process may have put packs together
                self.refresh()
        raise _DAMAGED

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """What each of these chunks takes in the store."""
        return {chunk: place.length for chunk in ids if (place := self._places.get(chunk)) is not None}

    @property
    def condemned_bytes(self) -> int:
        """What is to be deleted, and takes room until then."""
        return sum(place.length for pack in self._condemned for place in self._held.get(pack, {}).values())

    def collect(self, live: set[str], *, now: datetime, grace: timedelta | None = None) -> None:
        """Let go of packs without ``live`` chunks, in two steps; packs that are mostly dead are written anew.

        So are small ones when they are many: each save makes one, and whoever opens the store reads them all.
        """
        unfinished = {name.partition("/")[2] for name in self._location.names("packs/")} - self._held.keys()
        chunks = {pack: list(self._held.get(pack, ())) for pack in self._held.keys() | unfinished - self._unreadable}
        small = {pack for pack, held in self._held.items() if sum(place.length for place in held.values()) < SMALL}
        small -= self._condemned
        if len(small) < MANY:
            small = set()
        for pack, held in chunks.items():
            needed = [chunk for chunk in held if chunk in live and self._places[chunk].pack == pack]
            if pack in self._condemned:
                if needed and self.missing(needed):
                    self._location.delete(f"condemned/{pack}")  # a generation counts on it again
                elif self._since(pack, now) > (grace or GRACE):
                    for kind in ("indexes", "packs", "condemned"):  # in this order: no index without its pack
                        self._location.delete(f"{kind}/{pack}")
            elif len(needed) < _LIVE_ENOUGH * len(held) or not held or pack in small:
                self._condemn(pack, now)
                for chunk in needed:
                    with contextlib.suppress(Damaged):  # it keeps what is left of its pack
                        self.put(chunk, self.get(chunk))
        self.flush()
        self.refresh()

    def distrust(self, chunk: str) -> None:
        """A damaged chunk: whoever saves again brings what was in its pack once more. Nothing is deleted by that."""
        place = self._places.get(chunk)
        if place is not None and place.pack not in self._condemned:
            self._condemn(place.pack, now())

    def _condemn(self, pack: str, moment: datetime) -> None:
        self._location.write(f"condemned/{pack}", moment.isoformat().encode())
        self._condemned.add(pack)

    def _since(self, pack: str, now: datetime) -> timedelta:
        try:
            return now - datetime.fromisoformat(self._location.read(f"condemned/{pack}").decode())
        except (FileNotFoundError, ValueError, TypeError):
            return timedelta(0)


def _squeezed(plain: bytes) -> bytes:
    """Compressed where a sample says that it is worth it."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    sample = plain[:_SAMPLE]
    if len(compressor.compress(sample)) < _WORTH_IT * len(sample):
        return b"z" + compressor.compress(plain)
    return b"=" + plain


def _expanded(data: bytes) -> bytes:
    if data[:1] == b"=":
        return data[1:]
    try:
        return zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=LARGEST_CHUNK)
    except zstandard.ZstdError:
        raise _DAMAGED from None


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)
