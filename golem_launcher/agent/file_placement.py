"""Chooses where a session's files live on the provider, so that sockets, locks and maps work there.

Golem's VM has three kinds of places. Its root is memory. A directory of the provider's disk comes in by 9p: no sockets
and FIFOs, no memory shared with a file, files that are another user's. A disk of the session's own (ext2) has none of
these faults. What a directory can is tried, not guessed.
"""

from __future__ import annotations

import contextlib
import os
import site
import socket
import sys

from .whole_number import whole

OWN = ".golem-launcher"
"""In the workspace, where that is a disk of its own: home, packages and temporary files. Neither saved nor shown."""
LOST_AND_FOUND = "lost+found"
"""What a new ext2 has in it."""
_MEMORY = "/tmp"  # noqa: S108 - the session's machine is its own


def prepare(root: str, volume: str) -> None:
    """Move home, packages and temporary files out of memory, to the workspace's disk or else to ``volume``.

    Changes this environment. On a machine without volumes everything stays but for what a new disk has in it.
    """
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(root, LOST_AND_FOUND))  # nobody has lost anything yet
    memory = os.stat("/").st_dev
    if os.stat(volume).st_dev == memory:
        return
    whole = can_all(root)
    place = _made(root, OWN) if whole else volume
    home = os.path.expanduser("~")
    if not os.path.isdir(home) or os.stat(home).st_dev == memory:
        os.environ["HOME"] = _made(place, "home")
    if whole:
        os.environ["TMPDIR"] = _made(place, "tmp")
    else:
        os.environ["TMPDIR"] = _MEMORY  # sockets must be possible there
        _trust_others_repositories()
    os.environ["PIP_ROOT_USER_ACTION"] = "ignore"  # its warning is of no use here
    if sys.prefix == sys.base_prefix:  # a virtual environment takes no packages but into itself
        user = _made(place, "python")
        os.environ["PYTHONUSERBASE"] = user
        os.environ["PIP_USER"] = os.environ["PIP_BREAK_SYSTEM_PACKAGES"] = "1"
        os.environ["PATH"] = f"{user}/bin:{os.environ.get('PATH', os.defpath)}"
        site.USER_BASE = site.USER_SITE = None  # as found before the environment changed
        # A Python that began before there was such a directory never looks there, and kernels import what is new.
        os.makedirs(site.getusersitepackages(), exist_ok=True)


def for_large_files(root: str, volume: str) -> str:
    """A directory for temporary files that may be too large for memory and are nothing but files: pip's."""
    return os.environ["TMPDIR"] if can_all(root) and "TMPDIR" in os.environ else _made(volume, "tmp")


def can_all(directory: str) -> bool:
    """Whether a Unix socket can be made in a directory, and so whatever else programs make; on 9p it can't."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    name = f".golem-launcher-{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(f"/proc/self/fd/{folder}/{name}")  # a socket's path is short
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(folder)


def _trust_others_repositories() -> None:
    """Files of the provider's disk are not ours; git refuses to work in a repository of somebody else's."""
    count = whole(os.environ.get("GIT_CONFIG_COUNT", "")) or 0
    os.environ[f"GIT_CONFIG_KEY_{count}"] = "safe.directory"
    os.environ[f"GIT_CONFIG_VALUE_{count}"] = "*"
    os.environ["GIT_CONFIG_COUNT"] = str(count + 1)


def _made(place: str, name: str) -> str:
    path = os.path.join(place, name)
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path
