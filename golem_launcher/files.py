"""Atomic writes, private files, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""Errors of which a disk has more for whatever is written to it next."""
_POLL_SECONDS = 0.02
_END_BYTES = 256 * 1024


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data`` so that a reader sees the old bytes or the new ones, never a part.

    The data are on disk before the name changes. Raises ``OSError`` (a full disk, say) with the old file intact.
    """
    write_pieces(path, [data], mode=mode)


def write_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o600) -> None:
    """:func:`write_atomic` for what nobody holds as a whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise


def name_new(partial: str | Path, name: str | Path, above: int | None = None) -> bool:
    """Give a partial file a name that nothing has; whether that could be done. It may have its own name still.

    ``above``: the open directory in which both are. Raises ``OSError``.
    """
    try:
        os.link(partial, name, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=above))
        except FileExistsError:
            return False
        try:
            os.rename(partial, name, src_dir_fd=above, dst_dir_fd=above)
        except OSError:
            os.unlink(name, dir_fd=above)
            raise
    return True


def last_lines(path: Path, *, most: int = _END_BYTES, since: int = 0) -> list[str]:
    """The lines at the end of a log, of ``most`` bytes at most, from byte ``since`` on; none where it can't be read.

    The first is whole, but where there is no other.
    """
    try:
        with path.open("rb") as file:
            begin = max(since, file.seek(0, os.SEEK_END) - most)
            file.seek(begin)
            lines = file.read(most).splitlines()
    except OSError:
        return []
    whole = lines[1:] if begin > since and len(lines) > 1 else lines
    return [line.decode(errors="replace") for line in whole]


def sync_directory(path: Path) -> None:
    """Have the disk know which names a directory has: a file that was renamed into it stays after a power cut."""
    _sync(path, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Have the disk know what is in a file that somebody else wrote, before its name says that it is there."""
    _sync(path, os.O_NOFOLLOW)


def sync_tree(directory: Path) -> None:
    """:func:`sync_file` for every file below a directory, and :func:`sync_directory` for every directory of it."""
    for folder, _, names in os.walk(directory):
        for name in names:
            sync_file(Path(folder, name))
        sync_directory(Path(folder))


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(directory: Path) -> None:
    """Remove a directory with all that is in it, as far as that goes, also where a part may not be written to."""
    for above, directories, _ in os.walk(directory):
        for each in directories:
            path = os.path.join(above, each)  # noqa: PTH118
            with contextlib.suppress(OSError):
                if not os.path.islink(path):  # noqa: PTH114
                    os.chmod(path, 0o700)  # noqa: PTH101
    shutil.rmtree(directory, ignore_errors=True)


def write_json(path: Path, value: Any, *, mode: int = 0o600) -> None:
    """``write_atomic`` for a JSON value."""
    write_atomic(path, json.dumps(value, indent=1, default=str).encode() + b"\n", mode=mode)


def read_json(path: Path) -> Any | None:
    """The JSON value in ``path``, or ``None`` where there is no such file or it holds no JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None


@contextlib.contextmanager
def locked(path: Path, *, deadline: float) -> Iterator[None]:
    """Hold the lock file ``path`` alone; wait for it at most ``deadline`` seconds, else ``TimeoutError``.

    Blocking: call it from a thread where an event loop runs. The kernel frees the lock when its holder dies. A lock
    file that is removed meanwhile, with its directory say, locks nobody: the one that is there now does.
    """
    end = time.monotonic() + deadline
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if try_lock(descriptor) and _is_file_at(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)
        if time.monotonic() > end:
            raise TimeoutError(f"{path} stayed locked for {deadline:.0f} s")
        time.sleep(_POLL_SECONDS)


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock file ``path`` at this moment; it need not be there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file at once, or say that somebody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
