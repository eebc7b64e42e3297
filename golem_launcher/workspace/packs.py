"""Chunks of files, many in one object: a pack. Beside each pack lies its index, written after it.

A chunk is there when an index says so. A pack that nobody needs is first condemned, and deleted an hour later if still
nobody does: a save that counted on it meanwhile finds it missing and brings its chunks again.
"""

from __future__ import annotations

import json
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import zstandard

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.manifest import LARGEST_CHUNK, chunk_id
from golem_launcher.workspace.sealing import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.workspace.locations import Location
    from golem_launcher.workspace.sealing import Sealing

PACK_BYTES = 6 * 1024 * 1024
"""A pack is written when it has grown to this."""
GRACE = timedelta(hours=1)
"""Between the condemning of a pack and its end."""
_LIVE_ENOUGH = 0.5
_LEVEL = 1
_SAMPLE = 16 * 1024
_WORTH_IT = 0.95
_DAMAGED = Damaged("A part of the store is damaged.", "golem-launcher verify NAME says what is lost.")


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
        self._loaded: set[str] = set()
        self._unreadable: set[str] = set()
        self._condemned: set[str] = set()
        self._open = bytearray()
        self._open_places: dict[str, tuple[int, int]] = {}
        self.refresh()

    def refresh(self) -> None:
        """See what others wrote, deleted and condemned meanwhile."""
        there = {name.partition("/")[2] for name in self._location.names("indexes/")}
        for pack in there - self._loaded:
            self._load(pack)
        self._condemned = {name.partition("/")[2] for name in self._location.names("condemned/")}
        gone = self._loaded - there
        if gone:
            self._places = {chunk: place for chunk, place in self._places.items() if place.pack not in gone}
        self._loaded = there

    def _load(self, pack: str) -> None:
        name = f"indexes/{pack}"
        try:
            index = json.loads(zlib.decompress(self._sealing.open(name, self._location.read(name))))
            found = {chunk: _Place(pack, int(offset), int(length)) for chunk, (offset, length) in index.items()}
        except (Damaged, FileNotFoundError, ValueError, TypeError, AttributeError, zlib.error):
            self._unreadable.add(pack)  # damaged or another's: its chunks are missing, the next save brings them again
            return
        self._places.update(found)

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that have to be put before a generation may name them."""
        return {
            chunk
            for chunk in ids
            if chunk not in self._open_places
            and ((place := self._places.get(chunk)) is None or place.pack in self._condemned)
        }

    def put(self, chunk: str, plain: bytes) -> None:
        """Keep a chunk. Raises ``WorkspaceError`` when it is not what its id says."""
        if chunk_id(plain) != chunk or len(plain) > LARGEST_CHUNK:
            raise WorkspaceError("The provider sent other bytes than it had announced.")
        if not self.missing([chunk]):
            return
        sealed = self._sealing.seal(chunk, _squeezed(plain))
        self._open_places[chunk] = (len(self._open), len(sealed))
        self._open += sealed
        if len(self._open) >= PACK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write down what was put so far: the pack, then its index."""
        if not self._open_places:
            return
        pack = secrets.token_hex(12)
        self._location.write(f"packs/{pack}", bytes(self._open))
        index = zlib.compress(json.dumps(self._open_places, separators=(",", ":")).encode(), 1)
        self._location.write(f"indexes/{pack}", self._sealing.seal(f"indexes/{pack}", index))
        self._places |= {chunk: _Place(pack, *span) for chunk, span in self._open_places.items()}
        self._loaded.add(pack)
        self._open, self._open_places = bytearray(), {}

    def get(self, chunk: str) -> bytes:
        """A chunk's bytes, checked. Raises ``WorkspaceError`` when it is lost or damaged."""
        span = self._open_places.get(chunk)
        if span is not None:
            sealed = bytes(self._open[span[0] : sum(span)])
        else:
            place = self._places.get(chunk)
            if place is None:
                raise _DAMAGED
            try:
                sealed = self._location.read(f"packs/{place.pack}", place.offset, place.length)
            except FileNotFoundError:
                raise _DAMAGED from None
        plain = _expanded(self._sealing.open(chunk, sealed))
        if chunk_id(plain) != chunk:
            raise _DAMAGED
        return plain

    def collect(self, live: set[str], *, now: datetime) -> None:
        """Let go of packs without ``live`` chunks, in two steps; packs that are mostly dead are written anew."""
        unfinished = {name.partition("/")[2] for name in self._location.names("packs/")} - self._loaded
        chunks: dict[str, list[str]] = {pack: [] for pack in (self._loaded | unfinished) - self._unreadable}
        for chunk, place in self._places.items():
            chunks.setdefault(place.pack, []).append(chunk)
        for pack, held in chunks.items():
            needed = [chunk for chunk in held if chunk in live]
            if pack in self._condemned:
                if needed and self.missing(needed):
                    self._location.delete(f"condemned/{pack}")  # a generation counts on it again
                elif self._since(pack, now) > GRACE:
                    for kind in ("indexes", "packs", "condemned"):  # in this order: no index without its pack
                        self._location.delete(f"{kind}/{pack}")
            elif len(needed) < _LIVE_ENOUGH * len(held) or not held:
                self._location.write(f"condemned/{pack}", now.isoformat().encode())
                self._condemned.add(pack)
                for chunk in needed:
                    self.put(chunk, self.get(chunk))
        self.flush()
        self.refresh()

    def _since(self, pack: str, now: datetime) -> timedelta:
        try:
            return now - datetime.fromisoformat(self._location.read(f"condemned/{pack}").decode())
        except (FileNotFoundError, ValueError, TypeError):
            return timedelta(0)


def _squeezed(plain: bytes) -> bytes:
    """Compressed where a sample says that it is worth it."""
    sample = plain[:_SAMPLE]
    if len(zstandard.ZstdCompressor(level=_LEVEL).compress(sample)) < _WORTH_IT * len(sample):
        return b"z" + zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
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
    return datetime.now(timezone.utc)
