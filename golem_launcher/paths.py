"""Paths of the launcher's files on the user's machine."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from golem_launcher.errors import LauncherError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME_VARIABLE = "GOLEM_LAUNCHER_HOME"
SHARED_VARIABLE = "GOLEM_LAUNCHER_SHARED_HOME"

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
"""What sessions, workspaces and jobs may be called: it is a directory's name, and one word to every shell."""

LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
"""Bytes that fit a unix socket's address before its closing NUL (unix(7))."""


_PLAIN = re.compile(r"[A-Za-z0-9_./+=@-]+", re.ASCII)
_ONE_USERS: ContextVar[Path | None] = ContextVar("one_users", default=None)


def home() -> Path:
    """The launcher's directory: ``$GOLEM_LAUNCHER_HOME``, else the platform's user state directory.

    Within :func:`home_of`, the directory that is named there. Created, with mode 0700, when it is not there.
    """
    return private_directory(_ONE_USERS.get() or _own_home())


def shared_home() -> Path:
    """Where the node, its wallet, the local network and images are, which several users may share.

    ``$GOLEM_LAUNCHER_SHARED_HOME``, else the launcher's directory, also within :func:`home_of`.
    """
    chosen = os.environ.get(SHARED_VARIABLE)
    return private_directory(Path(chosen).absolute() if chosen else _own_home())


@contextmanager
def home_of(directory: Path) -> Iterator[None]:
    """Have :func:`home` be this ``directory`` meanwhile, in this thread or task and in threads that it waits for.

    For who acts for several users in one process, as a hub does.
    """
    token = _ONE_USERS.set(directory)
    try:
        yield
    finally:
        _ONE_USERS.reset(token)


def variables() -> dict[str, str]:
    """What a process of ours is told, so that it looks where this one does."""
    return {HOME_VARIABLE: str(home()), SHARED_VARIABLE: str(shared_home())}


def _own_home() -> Path:
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).absolute() if chosen else platformdirs.user_state_path("golem-launcher")


def private_directory(path: Path) -> Path:
    """Make ``path`` (with its parents) a directory that only its owner can enter, and return it.

    Raises ``LauncherError`` when it can't be made, is no directory, or belongs to another user, and ``OSError`` when
    the disk is full or the like.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if status.st_uid != os.geteuid():
            raise LauncherError(
                f"The directory {path} belongs to another user.",
                f"Set {HOME_VARIABLE} to a directory of yours, or one that does not exist yet.",
            )
        if status.st_mode & 0o077:
            path.chmod(0o700)
    except (FileExistsError, NotADirectoryError):
        raise LauncherError(f"{path} is in the way: a directory is needed there.", "Move that file away.") from None
    except PermissionError:
        raise LauncherError(
            f"The directory {path} can't be made: no permission.", f"Set {HOME_VARIABLE} to a directory of yours."
        ) from None
    return path


def sessions_directory() -> Path:
    """The directory that holds one directory per session."""
    return private_directory(home() / "sessions")


def socket_path(directory: Path, name: str) -> Path:
    """Where the unix socket ``name`` of ``directory`` lives.

    In ``directory`` itself when the path is short enough for a socket, else in a private directory of the
    system's temporary one whose name is derived from ``directory``: the same answer in every process.
    """
    direct = directory / name
    if _fits(direct):
        return direct
    path = _short_directory() / f"{_digest(direct)}.sock"
    if not _fits(path):
        raise _too_long(direct)
    return path


def sockets_directory(directory: Path, longest_name: int) -> Path:
    """A private directory for sockets whose names have up to ``longest_name`` bytes, for programs that name their own.

    ``directory`` itself when such paths are short enough for a socket, else one as in :func:`socket_path`.
    """
    name = "x" * longest_name
    if _fits(directory / name):
        return private_directory(directory)
    path = _short_directory() / _digest(directory)
    if not _fits(path / name):
        raise _too_long(directory)
    return private_directory(path)


def plain_path(directory: Path) -> Path:
    """``directory``, or a link to it when a shell would not take its path for one word as it stands.

    The link lies where :func:`socket_path` puts sockets; the same one in every process, made when it is not there.
    """
    if _PLAIN.fullmatch(str(directory)):
        return directory
    link = _plain_link(directory)
    if not link.is_symlink() or link.readlink() != directory:
        new = link.with_suffix(f".{os.getpid()}")
        new.symlink_to(directory)
        new.replace(link)
    return link


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _too_long(path: Path) -> LauncherError:
    return LauncherError(f"The path {path} is too long for a socket.", f"Set {HOME_VARIABLE} to a shorter directory.")


def forget_plain_path(directory: Path) -> None:
    """Remove the link that :func:`plain_path` made, if it did."""
    if not _PLAIN.fullmatch(str(directory)):
        _plain_link(directory).unlink(missing_ok=True)


def _plain_link(directory: Path) -> Path:
    return _short_directory() / _digest(directory / "link")


def _short_directory() -> Path:
    # Not $TMPDIR: it may be long itself, and another process of the user may have another one.
    shared = Path("/tmp")  # noqa: S108 - what is made in it is checked to be ours
    if not os.access(shared, os.W_OK | os.X_OK):
        shared = Path(tempfile.gettempdir())
    path = shared / f"golem-launcher-{os.geteuid()}"
    if path.is_symlink():
        raise LauncherError(f"{path} is a symbolic link that another user may have laid.", "Remove it.")
    return private_directory(path)
