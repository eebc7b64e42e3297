"""Where things are kept on the user's machine."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs

HOME_VARIABLE = "GOLEM_LAUNCHER_HOME"

# sun_path holds 108 bytes with its closing NUL (unix(7)).
_LONGEST_SOCKET_PATH = 107


def home() -> Path:
    """The launcher's directory: ``$GOLEM_LAUNCHER_HOME``, else the platform's user state directory.

    Created, with mode 0700, when it is not there.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    path = Path(chosen).absolute() if chosen else platformdirs.user_state_path("golem-launcher")
    return private_directory(path)


def private_directory(path: Path) -> Path:
    """Make ``path`` (with its parents) a directory that only its owner can enter, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    if len(os.fsencode(direct)) <= _LONGEST_SOCKET_PATH:
        return direct
    digest = hashlib.sha256(os.fsencode(direct)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"golem-launcher-{os.getuid()}"
    private_directory(short)
    if short.stat().st_uid != os.getuid() or short.stat().st_mode & 0o077:
        raise PermissionError(f"{short} belongs to somebody else or is open to others; remove it")
    return short / f"{digest}.sock"
