"""Writes a squashfs (version 4.0, zstd) from a :class:`~golem_launcher.image.tree.ImageTree`.

PyPI has readers of the format but no writer, so this is one: files, directories and symbolic links, which is all
that an image has. The same tree makes the same bytes on every computer. The format is that of Linux's ``fs/squashfs``
(https://dr-emann.github.io/squashfs/).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import zstandard

from golem_launcher.errors import ImageError
from golem_launcher.image.file_contents import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from golem_launcher.image.file_contents import Span
    from golem_launcher.image.tree import ImageTree, Inode

BLOCK: Final = 256 * 1024
"""Bytes that are compressed at once: larger ones take less room, and more time for each small file that is read."""
LEVEL: Final = 15
"""zstd's. The highest levels take several times as long for two hundredths."""

_MAGIC: Final = 0x73717368
_ZSTD: Final = 6
_SUPERBLOCK: Final = struct.Struct("<5I6H8Q")
_METADATA: Final = 8192
_STORED_BLOCK: Final = 1 << 24  # set in a block's size when it lies there uncompressed
_STORED_METADATA: Final = 1 << 15
_NONE: Final = 0xFFFFFFFF
_NOWHERE: Final = 0xFFFFFFFFFFFFFFFF
_NO_XATTRS, _DUPLICATES = 0x200, 0x40
_DIRECTORY, _FILE, _LINK, _LONG_DIRECTORY, _LONG_FILE = 1, 2, 3, 8, 9
_IN_HEADER: Final = 256  # entries of a directory that share one header
_SHORT: Final = 0xFFFF
_PADDING: Final = 4096
_DEEPEST: Final = 200


@dataclass(frozen=True)
class _Placed:
    """Where a content lies in the file system."""

    start: int = 0
    sizes: tuple[int, ...] = ()
    """Of its whole blocks, as inodes have them."""
    fragment: int = _NONE
    offset: int = 0


def write_squashfs(tree: ImageTree, out: IO[bytes], *, when: int, progress: Callable[[int, int], None]) -> None:
    """Write the tree to an empty file, each inode's time being ``when`` (seconds since 1970).

    ``progress`` is told the bytes of content done and in all; what it raises ends the work. Blocking, and busy on all
    processors. Raises ``ImageError`` for what the format can't hold, and ``OSError``.
    """
    out.write(bytes(_SUPERBLOCK.size))
    with contextlib.closing(_Blocks(out)) as blocks:
        placed = _write_contents(tree, blocks, progress)
        tables = _Inodes(tree, placed, when)
        inodes, listings = tables.inodes.finish(), tables.listings.finish()
        inode_table = _append(out, inodes)
        directory_table = _append(out, listings)
        fragment_table = _write_lookup(out, b"".join(struct.pack("<QII", *one, 0) for one in blocks.fragments))
        id_table = _write_lookup(out, b"".join(struct.pack("<I", one) for one in tables.ids))
        used = out.tell()
        out.write(bytes(-used % _PADDING))
        out.seek(0)
        out.write(
            _SUPERBLOCK.pack(
                _MAGIC, len(tree), when, BLOCK, len(blocks.fragments),
                _ZSTD, BLOCK.bit_length() - 1, _NO_XATTRS | _DUPLICATES, len(tables.ids), 4, 0,
                tables.root, used, id_table, _NOWHERE, inode_table, directory_table, fragment_table, _NOWHERE,
            )
        )  # fmt: skip
        out.seek(0, os.SEEK_END)


class _Blocks:
    """Compresses blocks side by side, and writes them in the order in which they came."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)
        self._waiting: deque[tuple[Future[bytes], int, Callable[[int, int], None]]] = deque()
        self.fragments: list[tuple[int, int]] = []
        """Start and size of each block of ends of files."""

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(cancel_futures=True)

    def add(self, block: bytes, written: Callable[[int, int], None]) -> None:
        """Compress a block; ``written`` is told where it lies and its size there, later."""
        if len(self._waiting) > 2 * self._workers:
            self._write_next()
        self._waiting.append((self._pool.submit(_compressed, block), len(block), written))

    def add_fragment(self, block: bytes) -> None:
        """The same for the collected ends of files, which are then known by their number."""
        number = len(self.fragments)
        self.fragments.append((0, 0))

        def written(start: int, size: int) -> None:
            self.fragments[number] = (start, size)

        self.add(block, written)

    def finish(self) -> None:
        """Write what is still waiting."""
        while self._waiting:
            self._write_next()

    def _write_next(self) -> None:
        future, size, written = self._waiting.popleft()
        start, block = self._out.tell(), future.result()
        self._out.write(block)
        written(start, len(block) | (_STORED_BLOCK if len(block) == size else 0))


def _compressed(block: bytes) -> bytes:
    small = zstandard.ZstdCompressor(level=LEVEL).compress(block)
    return small if len(small) < len(block) else block


def _write_contents(tree: ImageTree, blocks: _Blocks, progress: Callable[[int, int], None]) -> dict[Span, _Placed]:
    """Write each content once; where it lies."""
    spans = list(dict.fromkeys(inode.content for _, inode in tree if inode.is_file and inode.content != EMPTY))
    total, done = sum(span.size for span in spans), 0
    starts: dict[Span, list[tuple[int, int]]] = {}
    tails: dict[Span, tuple[int, int]] = {}
    ends = bytearray()  # of files, until they make a block
    for span in spans:
        found = starts[span] = []
        for offset in range(0, span.size, BLOCK):
            piece = tree.contents.read(span, offset, BLOCK)
            if len(piece) == BLOCK:
                blocks.add(piece, lambda start, size, found=found: found.append((start, size)))  # type: ignore[misc]
            else:
                if len(ends) + len(piece) > BLOCK:
                    blocks.add_fragment(bytes(ends))
                    ends.clear()
                tails[span] = (len(blocks.fragments), len(ends))
                ends += piece
            done += len(piece)
            progress(done, total)
    if ends:
        blocks.add_fragment(bytes(ends))
    blocks.finish()
    return {
        span: _Placed(
            starts[span][0][0] if starts[span] else 0,
            tuple(size for _, size in starts[span]),
            *tails.get(span, (_NONE, 0)),
        )
        for span in spans
    }


class _Metadata:
    """A table of metadata blocks; what is added is then known by where its block begins and where in it it lies."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._block = bytearray()

    def add(self, record: bytes) -> tuple[int, int]:
        """Add a record, which may lie across blocks."""
        place = len(self._done), len(self._block)
        self._block += record
        while len(self._block) >= _METADATA:
            self._close(self._block[:_METADATA])
            del self._block[:_METADATA]
        return place

    def finish(self) -> bytes:
        """The whole table."""
        if self._block:
            self._close(self._block)
            self._block = bytearray()
        return bytes(self._done)

    def _close(self, block: bytearray) -> None:
        small = _compressed(bytes(block))
        self._done += struct.pack("<H", len(small) | (_STORED_METADATA if len(small) == len(block) else 0)) + small


class _Inodes:
    """The tables of inodes and of directories: what a directory holds is written before it, the root last."""

    def __init__(self, tree: ImageTree, placed: dict[Span, _Placed], when: int) -> None:
        self._placed = placed
        self._when = when
        self._children: dict[str, list[tuple[bytes, str]]] = {}
        self._entries = dict(tree)
        for path in self._entries:
            above, _, name = path.rpartition("/")
            if path:
                self._children.setdefault(above, []).append((name.encode(errors="surrogateescape"), path))
        self._numbers = {path: number for number, path in enumerate(self._entries, 1)}
        self.inodes, self.listings = _Metadata(), _Metadata()
        self.ids = sorted({one for inode in self._entries.values() for one in (inode.uid, inode.gid)})
        block, offset = self._write("", 0)
        self.root = block << 16 | offset

    def _write(self, path: str, depth: int) -> tuple[int, int]:
        inode = self._entries[path]
        if depth > _DEEPEST:
            raise ImageError(f"/{path[:100]} lies too deep.")
        if inode.is_directory:
            return self._write_directory(path, inode, depth)
        if inode.is_link:
            target = inode.target.encode(errors="surrogateescape")
            return self.inodes.add(self._head(_LINK, path, inode) + struct.pack("<II", 1, len(target)) + target)
        if inode.is_file:
            return self._write_file(path, inode)
        raise ImageError(f"/{path} is neither a file nor a directory.")

    def _write_file(self, path: str, inode: Inode) -> tuple[int, int]:
        size, placed = inode.content.size, self._placed.get(inode.content, _Placed())
        if max(size, placed.start) < _NONE:
            kind, fields = _FILE, struct.pack("<IIII", placed.start, placed.fragment, placed.offset, size)
        else:
            kind, fields = (
                _LONG_FILE,
                struct.pack("<QQQIIII", placed.start, size, 0, 1, placed.fragment, placed.offset, _NONE),
            )
        sizes = struct.pack(f"<{len(placed.sizes)}I", *placed.sizes)
        return self.inodes.add(self._head(kind, path, inode) + fields + sizes)

    def _write_directory(self, path: str, inode: Inode, depth: int) -> tuple[int, int]:
        inside = [(name, below, self._write(below, depth + 1)) for name, below in sorted(self._children.get(path, ()))]
        listing = self._listing(inside)
        block, offset = self.listings.add(listing)
        size = len(listing) + 3  # the format counts "." and ".." so
        links = 2 + sum(self._entries[below].is_directory for _, below, _ in inside)
        above = self._numbers[path.rpartition("/")[0]] if path else len(self._numbers) + 1
        if size <= _SHORT:
            kind, fields = _DIRECTORY, struct.pack("<IIHHI", block, links, size, offset, above)
        else:
            kind, fields = _LONG_DIRECTORY, struct.pack("<IIIIHHI", links, size, block, above, 0, offset, _NONE)
        return self.inodes.add(self._head(kind, path, inode) + fields)

    def _listing(self, inside: list[tuple[bytes, str, tuple[int, int]]]) -> bytes:
        """What a directory says of its entries: runs of those whose inodes lie in one block, with near numbers."""
        runs: list[list[tuple[bytes, str, int]]] = []
        first = at = -1
        for name, below, (block, offset) in inside:
            number = self._numbers[below]
            if not runs or block != at or abs(number - first) >= 1 << 15 or len(runs[-1]) == _IN_HEADER:
                runs.append([])
                first, at = number, block
            runs[-1].append((name, below, offset))
        listing = b""
        blocks = {below: block for _, below, (block, _) in inside}
        for run in runs:
            base = self._numbers[run[0][1]]
            listing += struct.pack("<III", len(run) - 1, blocks[run[0][1]], base)
            for name, below, offset in run:
                kind = _kind(self._entries[below])
                listing += struct.pack("<HhHH", offset, self._numbers[below] - base, kind, len(name) - 1) + name
        return listing

    def _head(self, kind: int, path: str, inode: Inode) -> bytes:
        ids = self.ids.index(inode.uid), self.ids.index(inode.gid)
        return struct.pack("<HHHHII", kind, stat.S_IMODE(inode.mode), *ids, self._when, self._numbers[path])


def _kind(inode: Inode) -> int:
    return _DIRECTORY if inode.is_directory else _LINK if inode.is_link else _FILE


def _append(out: IO[bytes], table: bytes) -> int:
    start = out.tell()
    out.write(table)
    return start


def _write_lookup(out: IO[bytes], records: bytes) -> int:
    """A table that is found by number: its blocks, then where each begins, which is what the superblock points to."""
    starts = []
    for offset in range(0, len(records), _METADATA):
        block = _Metadata()
        block.add(records[offset : offset + _METADATA])
        starts.append(_append(out, block.finish()))
    return _append(out, struct.pack(f"<{len(starts)}Q", *starts))
