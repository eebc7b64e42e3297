"""The files of one notebook's state: chunks by the hash of their bytes, and what they are of, written last.

A small change of a large array writes one chunk, and the workspace's saving, which knows files by their times, reads
and moves that one. Two manifests are kept with their chunks: a save that walks through while a third is written finds
one of them whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .. import atomic_write  # noqa: TID252 - the archive has another name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 1024 * 1024
_KEPT = 2
"""Manifests."""
_LARGEST_MANIFEST = 64 * 1024 * 1024
_MANIFEST = re.compile(r"state-([0-9]{1,15})\.json")
_UNFINISHED = re.compile(r"state-[0-9]+\.json\.[0-9]+")
"""Of who was ended meanwhile."""
_DIGITS = 40
_ID = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_CHUNKS = "chunks"
_READERS = min(4, os.cpu_count() or 1)
_FEW = 4
"""Chunks that are read one after another: threads take longer to begin."""
_NOT_WHOLE = "it was not saved whole"


class Damaged(Exception):  # noqa: N818 - it is what the state is
    """Not all of it is there."""


class ChunkFiles:
    """In ``directory``, which is made when something is written. One process writes at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._chunks = os.path.join(directory, _CHUNKS)

    def put(self, data: bytes | memoryview) -> str:
        """Keep a chunk; what it is called."""
        name = _name(data)
        path = os.path.join(self._chunks, name)
        if not os.path.exists(path):
            os.makedirs(self._chunks, mode=0o700, exist_ok=True)
            atomic_write.write(path, data)
        return name

    def commit(self, manifest: dict[str, Any]) -> None:
        """From now on this is the state. Writes nothing where it was that already.

        The one before goes at once where it has what is left out by now: each further save would have it still.
        """
        numbers = self._numbers()
        if numbers and self._manifest(numbers[0]) == manifest:
            return
        data = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
        if len(data) > _LARGEST_MANIFEST:
            raise ValueError("there are too many variables")
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        atomic_write.write(self._path(max(numbers, default=0) + 1), data)
        self._sweep(unwanted=set(manifest.get("left_out", ())))

    def newest(self) -> dict[str, Any] | None:
        """The newest state that is whole, or else the newest; ``None``: there is none that can be read."""
        found = None
        for manifest in self._read(self._numbers()):
            if all(os.path.exists(os.path.join(self._chunks, name)) for name in _names_in(manifest)):
                return manifest
            found = found or manifest
        return found

    def read(self, names: Iterable[str]) -> io.BufferedReader:
        """The bytes of these chunks, one after another. Reading raises ``Damaged``."""
        return io.BufferedReader(_Joined(self, list(names)), CHUNK)

    def fill(self, target: memoryview, names: list[str]) -> None:
        """Fill ``target`` with the bytes of these chunks, as :func:`pieces` had cut it. Raises ``Damaged``."""
        parts = list(pieces(target))
        if len(parts) != len(names):
            raise Damaged("its parts don't fit")
        if len(parts) <= _FEW:
            for part, name in zip(parts, names):
                self._fill(part, name)
            return
        readers = ThreadPoolExecutor(_READERS)  # reading and hashing let go of the interpreter
        try:
            for _ in readers.map(self._fill, parts, names):
                pass
        finally:
            readers.shutdown(cancel_futures=True)

    def _fill(self, part: memoryview, name: str) -> None:
        size, more = 0, b""
        with contextlib.suppress(OSError), open(self._path_of(name), "rb", buffering=0) as file:
            while size < len(part) and (got := file.readinto(part[size:])):
                size += got
            more = file.read(1) or b""
        if size != len(part) or more or _name(part) != name:
            raise Damaged(_NOT_WHOLE)

    def chunk(self, name: str) -> bytes:
        """A chunk. Raises ``Damaged``."""
        try:
            with open(self._path_of(name), "rb") as file:
                data = file.read(CHUNK + 1)
        except OSError:
            data = b""
        if _name(data) != name:
            raise Damaged(_NOT_WHOLE)
        return data

    def _path_of(self, name: str) -> str:
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise Damaged("a part of it has no name")
        return os.path.join(self._chunks, name)

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, f"state-{number}.json")

    def _numbers(self) -> list[int]:
        """The numbers of the manifests, the newest first."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        return sorted((int(found[1]) for found in map(_MANIFEST.fullmatch, names) if found), reverse=True)

    def _read(self, numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
        for number in numbers:
            manifest = self._manifest(number)
            if manifest is not None:
                yield manifest

    def _manifest(self, number: int) -> dict[str, Any] | None:
        try:
            with open(self._path(number), "rb") as file:
                manifest: dict[str, Any] = json.loads(file.read(_LARGEST_MANIFEST))
            return manifest if all(map(_ID.fullmatch, _names_in(manifest))) else None
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None

    def _sweep(self, unwanted: set[str]) -> None:
        """Remove what no manifest that is kept needs, and those that keep a variable of an ``unwanted`` name."""
        numbers = self._numbers()
        kept = numbers[:1] + [
            number
            for number in numbers[1:_KEPT]
            if (manifest := self._manifest(number)) is not None and not unwanted & set(kept_in(manifest))
        ]
        needed = {name for manifest in self._read(kept) for name in _names_in(manifest)}
        unneeded = [self._path(number) for number in numbers if number not in kept]
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(self._directory) if _UNFINISHED.fullmatch(name)]
            unneeded += [os.path.join(self._directory, name) for name in names]
        with contextlib.suppress(OSError):
            unneeded += [os.path.join(self._chunks, name) for name in os.listdir(self._chunks) if name not in needed]
        for path in unneeded:
            with contextlib.suppress(OSError):
                os.unlink(path)


class _Joined(io.RawIOBase):
    def __init__(self, files: ChunkFiles, names: list[str]) -> None:
        self._files = files
        self._names = names
        self._at = 0
        self._data = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._data and self._at < len(self._names):
            self._data = memoryview(self._files.chunk(self._names[self._at]))
            self._at += 1
        size = min(len(target), len(self._data))
        target[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def pieces(data: memoryview) -> Iterator[memoryview]:
    """``data`` in parts of a chunk's size."""
    for at in range(0, len(data), CHUNK):
        yield data[at : at + CHUNK]


def _name(data: bytes | memoryview) -> str:
    """By SHA-256, for which processors have instructions: most of what a restore takes is this."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def kept_in(manifest: dict[str, Any]) -> Iterator[str]:
    """The variables whose values a manifest of ``saving.py`` has."""
    with contextlib.suppress(AttributeError, KeyError, TypeError):  # of one that is none
        for group in manifest.get("groups", ()):
            yield from map(str, group["names"])


def _names_in(manifest: dict[str, Any]) -> Iterator[str]:
    """The chunks that a manifest of ``saving.py`` names."""
    for group in manifest.get("groups", ()):
        yield from group.get("stream", ())
        for _, names in group.get("buffers", ()):
            yield from names
