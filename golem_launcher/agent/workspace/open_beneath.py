"""Opens files and directories below a root component by component, following no link.

The launcher imports this module, too.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def parent(top: int, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open directory that holds ``path``, below the open directory ``top``, and the last part of ``path``.

    ``make`` makes the directories that are missing. Raises ``OSError``, also where a link is on the way.
    """
    *above, name = path.split("/")
    descriptor = os.dup(top)
    try:
        for part in above:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            below = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor, name
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def directory(top: int, path: str, *, make: bool = False) -> Iterator[int]:
    """The open directory at ``path``."""
    with parent(top, path + "/.", make=make) as (descriptor, _):
        yield descriptor


@contextlib.contextmanager
def opened(top: int, path: str, flags: int, mode: int = 0o600) -> Iterator[int]:
    """The open file at ``path``."""
    with parent(top, path) as (above, name):
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
