"""What is known of where a store's chunks lie, kept on this computer: who opens the store next reads what is new since.

All indexes of a store with a million chunks take ten seconds of a processor to be read. The cache is a copy, so nothing
is lost with it: one that is not whole counts as none.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from golem_launcher import files, paths
from golem_launcher.workspace.repository.chunk_locations import ChunkLocations
from golem_launcher.workspace.repository.entry import chunk_digest
from golem_launcher.workspace.repository.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_LONGEST_HEAD = 256 * 1024 * 1024
_PIECE = 1024 * 1024
_ROOM_LEFT = 1 << 30
"""Bytes of the disk that stay free."""
_UNUSED_SECONDS = 60 * 86400.0
"""A cache that nobody opened for so long goes."""
_UNFINISHED_SECONDS = 3600.0
"""So old, one that is not whole is that of a process that was killed."""


def place_of(store: bytes, key: bytes | None) -> Path:
    """Where the cache of a ``store`` is, which its mark names; with another ``key`` other indexes can be read."""
    directory = paths.private_directory(paths.home() / "caches")
    return directory / f"store-{chunk_digest(store + (key or b'')).hexdigest()[:32]}"


def keep(place: Path, locations: ChunkLocations, condemned: set[str]) -> None:
    """Keep what is known. ``condemned``: the packs that the places were chosen by. Nothing where there is no room."""
    parts = locations.parts()
    sizes = [size for size, _ in parts]
    head = {"format": _FORMAT, "sizes": sizes, "condemned": sorted(condemned), "state": locations.state()}
    try:
        if sum(sizes) + _ROOM_LEFT > shutil.disk_usage(place.parent).free:
            return
        pieces = itertools.chain([json.dumps(head).encode() + b"\n"], *(part for _, part in parts))
        files.write_pieces(place, _proved(pieces))
        for names, seconds in (("store-*", _UNUSED_SECONDS), (".store-*", _UNFINISHED_SECONDS)):
            for other in place.parent.glob(names):
                if other.stat().st_mtime < time.time() - seconds:
                    other.unlink()
    except OSError as error:
        _LOG.debug("the places of a store's chunks were not kept: %s", error)


def kept(place: Path) -> tuple[ChunkLocations, set[str]] | None:
    """What :func:`keep` wrote at ``place``; ``None`` when nothing is there, or it is damaged. Blocking."""
    try:
        with place.open("rb") as file:
            found = _read(file)
        os.utime(place)
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.debug("no places of a store's chunks are kept: %s", error)
        return None
    return found


def drop(place: Path) -> None:
    """Keep nothing any more."""
    with contextlib.suppress(OSError):  # it can't be written to either
        place.unlink(missing_ok=True)


def _proved(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """These, and the digest of all of them."""
    digest = chunk_digest()
    for piece in pieces:
        digest.update(piece)
        yield piece
    yield digest.digest()


def _read(file: BinaryIO) -> tuple[ChunkLocations, set[str]]:
    digest = chunk_digest()

    def some(size: int) -> bytes:
        data = file.read(size)
        digest.update(data)
        if len(data) != size:
            raise ValueError("it is not whole")
        return data

    line = file.readline(_LONGEST_HEAD)
    digest.update(line)
    head: dict[str, Any] = json.loads(line)
    if head["format"] != _FORMAT:
        raise ValueError("another version's")
    spools = [Spool(some(min(_PIECE, size - at)) for at in range(0, size, _PIECE)) for size in head["sizes"]]
    if file.read() != digest.digest():
        raise ValueError("it was changed")
    return ChunkLocations.of(head["state"], spools), set(head["condemned"])
