"""Copies files of the session to and from the user's computer, in pieces: what ``golem-launcher cp`` asks for.

A **piece** is a file of those in transfer. It holds parts of files, one after the other, as the segments say that
belong to it; so a file of a hundred gigabytes is many pieces, and a thousand small ones are one. What is not whole yet
lies beside its place under a name of its own (:func:`unfinished`), and is gone on with from its length. Paths are
relative to the workspace, below ``~``, or absolute, and escaped (name_escaping.py).

The launcher imports the names and numbers of this module, too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .name_escaping import escape, unescape
from .wire import MADE, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedReader

BUSY = "it was being written"
"""Why a file could not be copied that another program does not leave alone."""
GONE = "what was there of it is gone"
"""Why a file could not be gone on with: another copy of it was faster, or somebody removed its beginning."""
PREFIX = "cp-"
"""What the names of pieces begin with."""
_UNFINISHED = ".golem-launcher-{}.part"
_TAG = re.compile(r"[0-9a-f]{16,64}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_BLOCK = 1024 * 1024
_TICK_SECONDS = 0.05
"""Two changes that are farther apart than this have different times."""
_STALE_SECONDS = 900.0
"""A piece that nobody took for so long belongs to a copy, or a save, that was killed."""


def unfinished(tag: str) -> str:
    """The name of a file that is not whole yet. ``tag``, of hex digits, stands for what it becomes."""
    return _UNFINISHED.format(tag)


def is_unfinished(name: str) -> bool:
    """Whether a file's name is one of those."""
    before, after = _UNFINISHED.split("{}")
    return name.startswith(before) and name.endswith(after)


def stamp_of(status: os.stat_result) -> str:
    """What tells whether a file is another than before."""
    return f"{status.st_ino:x}-{status.st_ctime_ns:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


class Part(NamedTuple):
    """A part of a file that is copied into the session."""

    path: str
    offset: int
    length: int
    size: int
    """Of the whole file."""
    mtime_ns: int
    mode: int
    tag: str
    """See :func:`unfinished`."""


class Copying:
    """What the agent's server can be asked for in this."""

    def __init__(self, root: str, piece: Callable[[str], str]) -> None:
        """``root`` is the workspace; ``piece`` has the path of one in transfer, by its name."""
        self._root = root
        self._piece = piece
        self._held: set[str] = set()
        """Pieces of who removes them himself, however late they are taken."""

    def hold(self, name: Any) -> str:
        """The path of a piece that stays until it is let go of."""
        place = self._place_of(name)
        self._held.add(name)
        return place

    def let_go(self, names: set[str]) -> None:
        """Remove pieces that were held."""
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(self._piece(name))
        self._held -= names

    def entries(self, path: Any, *, below: bool = True) -> Iterator[Any]:
        """As :func:`entries`."""
        return entries(self._place(path), below=below)

    def make(self, directories: Any, links: Any) -> dict[str, Any]:
        """Make directories, ``[path, mode]``, and links, ``[path, target]``; what could not be, and why."""
        problems = []
        for path, mode in directories:
            problems += _problem(path, lambda: os.makedirs(self._place(path), mode & 0o777 | 0o700, exist_ok=True))  # noqa: B023
        for path, target in links:
            problems += _problem(path, lambda: _link(self._place(path), unescape(target)))  # noqa: B023
        return {"problems": problems}

    def forget(self, path: Any, tag: Any) -> dict[str, Any]:
        """Remove what is there of a file that was to become whole at ``path``. ``tag``: as in a :class:`Part`."""
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            raise WireError("a tag that is none")
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(os.path.dirname(self._place(path)), unfinished(tag)))
        return {}

    def read(self, name: Any, segments: Any) -> dict[str, Any]:
        """Put segments, ``[path, offset, length, stamp]``, into a new piece.

        ``{"size": n, "sha256": "…", "faults": [why it is not in it, or null, for each segment]}``.
        """
        self.sweep()
        named = ((self._place(path), offset, length, stamp) for path, offset, length, stamp in segments)
        size, sha256, faults = fill(self._place_of(name), named)
        return {"size": size, "sha256": sha256, "faults": faults}

    def write(self, name: Any, sha256: Any, segments: Any) -> dict[str, Any]:
        """Take segments, each the values of a :class:`Part`, from a piece, and remove it.

        What is whole then gets its name. ``{"faults": […]}`` as :meth:`read` has them.
        Raises ``WireError`` for a piece that is not what was sent.
        """
        faults: list[str | None] = []
        with self.taken(name, sha256) as piece:
            for part in (Part(*segment) for segment in segments):
                begins = piece.tell()
                try:
                    self._put(piece, part)
                    faults.append(None)
                except OSError as error:
                    faults.append(_reason(error))
                piece.seek(begins + part.length)
        return {"faults": faults}

    @contextlib.contextmanager
    def taken(self, name: Any, sha256: Any) -> Iterator[BufferedReader]:
        """A piece, open; removed then. Raises ``WireError`` for one that is not what was sent."""
        self.sweep()
        place = self._place_of(name)
        try:
            with open(place, "rb") as piece:
                if hash_of(piece) != sha256:
                    raise WireError("what arrived is not what was sent")
                yield piece
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)

    def fetch(self, name: Any) -> Iterator[bytes]:
        """The bytes of a piece, where no transfer takes it."""
        with open(self._place_of(name), "rb") as piece:
            while block := piece.read(_BLOCK):
                yield block

    def store(self, name: Any, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Make a piece of these bytes, where no transfer brings it."""
        with open(self._place_of(name), "wb") as piece:
            piece.writelines(blocks)
        return {}

    def sweep(self) -> None:
        """Remove pieces, and files of chunks for the launcher, that nobody took."""
        directory = os.path.dirname(self._piece(PREFIX))
        for each in os.scandir(directory):
            with contextlib.suppress(OSError):
                stays = not each.name.startswith((PREFIX, MADE)) or each.name in self._held
                if not stays and each.stat().st_mtime < time.time() - _STALE_SECONDS:
                    os.unlink(each.path)

    def _put(self, piece: BinaryIO, part: Part) -> None:
        if not isinstance(part.tag, str) or not _TAG.fullmatch(part.tag):
            raise WireError("a tag that is none")
        place = self._place(part.path)
        above = os.path.dirname(place)
        os.makedirs(above, exist_ok=True)
        growing = os.path.join(above, unfinished(part.tag))
        with opened_to_grow(growing, part.offset, 0o600) as file:
            copy(piece, file, part.length)
            file.flush()
            os.utime(file.fileno(), ns=(part.mtime_ns, part.mtime_ns))
            if part.offset + part.length < part.size:
                return
            os.chmod(growing, part.mode & 0o777)
            os.fsync(file.fileno())
            try:
                os.replace(growing, place)
            except OSError:
                os.unlink(growing)
                raise

    def _place(self, path: Any) -> str:
        if not isinstance(path, str) or "\0" in path:
            raise WireError("a path that is none")
        return os.path.normpath(os.path.join(self._root, os.path.expanduser(unescape(path))))

    def _place_of(self, name: Any) -> str:
        if not isinstance(name, str) or not name.startswith(PREFIX):
            raise WireError("a name that is none")
        return self._piece(name)


def entries(top: str, *, below: bool = True) -> Iterator[Any]:
    """What there is at a path: a line for itself, and for each that lies ``below`` where it is a directory.

    ``["f", path, mode, mtime_ns, size, stamp]``, ``["d", path, mode]``, ``["l", path, target]``,
    ``["-", path, why it can't be copied]``, and at the end ``{"end": true}``; no more than that where there is nothing.
    Its own path is empty, and a link that it is is followed.
    """
    try:
        status = os.stat(top)
    except (FileNotFoundError, NotADirectoryError):
        yield {"end": True}
        return
    yield _line("", status)
    waiting = [""] if below and stat.S_ISDIR(status.st_mode) else []
    while waiting:
        above = waiting.pop()
        try:
            found = sorted(os.scandir(os.path.join(top, above)), key=lambda each: each.name)
        except OSError as error:
            yield ["-", escape(above), _reason(error)]
            continue
        for each in found:
            path = f"{above}/{each.name}" if above else each.name
            try:
                status = each.stat(follow_symlinks=False)
                target = os.readlink(each.path) if stat.S_ISLNK(status.st_mode) else ""
            except OSError as error:
                yield ["-", escape(path), _reason(error)]
                continue
            yield _line(path, status, target)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
    yield {"end": True}


def fill(piece: str, segments: Iterable[tuple[str, int, int, str]]) -> tuple[int, str, list[str | None]]:
    """Put segments (path, offset, length, stamp) into a new piece, as far as they can be read.

    Its size, its SHA-256, and for each of them why it is not in it, or ``None``. Raises ``OSError`` when it is full.
    """
    hasher, size = hashlib.sha256(), 0
    faults: list[str | None] = []
    with open(piece, "wb") as file:
        for path, offset, length, stamp in segments:
            before = hasher.copy()
            try:
                for block in _stable(path, offset, length, stamp):
                    file.write(block)
                    hasher.update(block)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                hasher = before
                file.seek(size)
                file.truncate()
                faults.append(_reason(error))
            else:
                size += length
                faults.append(None)
    return size, hasher.hexdigest(), faults


@contextlib.contextmanager
def opened_to_grow(name: str, offset: int, mode: int, above: int | None = None) -> Iterator[BinaryIO]:
    """A file that is not whole yet, to be written from ``offset`` on and renamed within: of two copies, one does so.

    ``above``: the open directory that it lies in. Raises ``OSError``; its text is :data:`GONE` where it is shorter.
    """
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, mode, dir_fd=above), "r+b") as file:
            with contextlib.suppress(OSError):  # there are file systems without locks
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            status = os.fstat(file.fileno())
            try:
                if not os.path.samestat(status, os.stat(name, dir_fd=above, follow_symlinks=False)):
                    continue
            except FileNotFoundError:  # the other copy has just made it whole
                continue
            if status.st_size < offset:
                raise OSError(errno.ESTALE, GONE)
            file.truncate(offset)
            file.seek(offset)
            yield file
            return


def hash_of(file: BufferedReader) -> str:
    """The SHA-256 of an open file from where it stands, in hex; it stands there again then."""
    hasher, begins = hashlib.sha256(), file.tell()
    block = memoryview(bytearray(_BLOCK))  # new memory for each block would be cleared by the system first
    while size := file.readinto(block):
        hasher.update(block[:size])
    file.seek(begins)
    return hasher.hexdigest()


def copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    """Copy so many bytes from where both stand. Raises ``OSError``, also where there are fewer."""
    while length:
        block = source.read(min(_BLOCK, length))
        if not block:
            raise OSError(errno.EIO, "it is shorter than it was said to be")
        target.write(block)
        length -= len(block)


def _stable(path: str, offset: int, length: int, stamp: str) -> Iterator[bytes]:
    """The bytes of a part of a file that has this ``stamp`` before and after it is read.

    Raises ``OSError``; its text is :data:`BUSY` where the file changed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if time.time() - status.st_ctime < _TICK_SECONDS:
            time.sleep(_TICK_SECONDS)  # a change from now on shows in its times
        _check(descriptor, stamp)
        file.seek(offset)
        while length:
            block = file.read(min(_BLOCK, length))
            if not block:
                raise OSError(errno.EBUSY, BUSY)
            yield block
            length -= len(block)
        _check(descriptor, stamp)


def _problem(path: Any, work: Callable[[], object]) -> list[list[str]]:
    """What came of ``work``: nothing, or the path and why it could not be done."""
    try:
        work()
    except OSError as error:
        return [[path, _reason(error)]]
    return []


def _link(place: str, target: str) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    made = os.path.join(os.path.dirname(place), unfinished(secrets.token_hex(8)))
    os.symlink(target, made)
    try:
        os.replace(made, place)  # what was there stays until then
    except OSError:
        os.unlink(made)
        raise


def _check(descriptor: int, stamp: str) -> None:
    if stamp_of(os.fstat(descriptor)) != stamp:
        raise OSError(errno.EBUSY, BUSY)


def _line(path: str, status: os.stat_result, target: str = "") -> list[Any]:
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISREG(status.st_mode):
        return ["f", escape(path), mode, status.st_mtime_ns, status.st_size, stamp_of(status)]
    if stat.S_ISDIR(status.st_mode):
        return ["d", escape(path), mode]
    if stat.S_ISLNK(status.st_mode):
        return ["l", escape(path), escape(target)]
    return ["-", escape(path), "it is no file"]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
