"""What kernels, Jupyter's server and the agent tell each other: small files in a directory beside the agent's log.

A kernel's *ticket* is the path by which it finds, before its first cell, that another state comes back. Beside it lies
a mark while the kernel has variables that are not kept yet, and could be. One file is touched to have them kept now.
"""

from __future__ import annotations

import contextlib
import os

_UNKEPT = ".unkept"
_HURRY = "hurry"


def place(log: str) -> str:
    """The directory of an agent with that log. It need not exist."""
    return os.path.join(os.path.dirname(log), "tickets")


def hurry(directory: str) -> None:
    """Have all kernels keep what they have, as soon as they can."""
    with contextlib.suppress(OSError):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with open(os.path.join(directory, _HURRY), "wb"):
            pass
        os.utime(os.path.join(directory, _HURRY))


def hurried(ticket: str) -> int:
    """When kernels were asked to hurry last: another number each time. 0: never."""
    with contextlib.suppress(OSError):
        return os.stat(os.path.join(os.path.dirname(ticket), _HURRY)).st_mtime_ns
    return 0


def mark(ticket: str) -> None:
    """A kernel's variables are not kept as they are. Raises ``OSError``."""
    with contextlib.suppress(FileExistsError):
        os.symlink(str(os.getpid()), ticket + _UNKEPT)


def unmark(ticket: str) -> None:
    """Remove the mark: the variables are kept, or can't be for now."""
    with contextlib.suppress(OSError):
        os.unlink(ticket + _UNKEPT)


def unkept(directory: str) -> int:
    """How many kernels that live have such a mark."""
    count = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.endswith(_UNKEPT):
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(os.readlink(os.path.join(directory, name))), 0)
                    count += 1
    return count
