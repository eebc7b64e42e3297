"""What viewers are shown of the workspace: notebooks, texts in Markdown and pictures, and nothing else of it.

Nothing hidden, nothing that is not saved, and nothing through a link, wherever that leads. The launcher asks for it
while somebody looks at a view-only link, and imports the names and numbers of this module, too.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from . import ignore
from .copying import BUSY, stamp_of
from .name_escaping import escape, unescape
from .open_beneath import opened
from .wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    ".ipynb": "notebook",
    ".md": "text",
    ".markdown": "text",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
"""What a file is, by how its name ends."""
MOST_FILES = 300
LONGEST_PATH = 400
LARGEST = 16 * 1024 * 1024
"""Bytes of a file that is shown."""
_MOST_LOOKED_AT = 20_000
"""Names: a folder of a million pictures is not looked through each time."""


def is_shown(path: str) -> bool:
    """Whether a file at this path may be shown: its name says what it is, and nothing on the way there is hidden."""
    if len(path) > LONGEST_PATH or any(part.startswith(".") or not part for part in path.split("/")):
        return False
    return os.path.splitext(path)[1].lower() in KINDS


def files(root: str) -> dict[str, Any]:
    """The newest of them: ``{"now": n, "files": [[path, size, mtime_ns, stamp], …], "more": whether there are more}``.

    ``now`` is the time here, as ``mtime_ns`` is.
    """
    found: list[tuple[int, str, int, str]] = []
    waiting, looked_at, more = [("", ignore.defaults())], 0, False
    while waiting:
        above, rules = waiting.pop(0)
        try:
            inside = list(_inside(os.path.join(root, above), _MOST_LOOKED_AT - looked_at))
        except OSError:
            continue
        looked_at += len(inside)
        if looked_at >= _MOST_LOOKED_AT:
            more, waiting = True, []
        if any(each.name == "pyvenv.cfg" for each in inside):  # an environment's packages bring texts and pictures
            continue
        rules = rules.below(f"{above}/" if above else "", _patterns(os.path.join(root, above)))
        for each in inside:
            path = f"{above}/{each.name}" if above else each.name
            is_folder = each.is_dir(follow_symlinks=False)
            if each.name.startswith(".") or rules.leave_out(each.name, path, directory=is_folder):
                continue
            if is_folder:
                waiting.append((path, rules))
            elif is_shown(escape(path)) and each.is_file(follow_symlinks=False):
                try:
                    status = each.stat(follow_symlinks=False)
                except OSError:
                    continue
                found.append((status.st_mtime_ns, escape(path), status.st_size, stamp_of(status)))
    found.sort(reverse=True)
    return {
        "now": time.time_ns(),
        "files": [[path, size, mtime_ns, stamp] for mtime_ns, path, size, stamp in found[:MOST_FILES]],
        "more": more or len(found) > MOST_FILES,
    }


def content(root: str, path: Any, stamp: Any) -> Iterator[bytes]:
    """The bytes of a file that has this ``stamp``. Raises ``OSError``; its text is :data:`BUSY` for another one."""
    if not isinstance(path, str) or not is_shown(path) or "\0" in path:
        raise WireError("a path that is not shown")
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with opened(top, unescape(path), os.O_RDONLY | os.O_NONBLOCK) as descriptor:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST or stamp_of(status) != stamp:
                raise OSError(errno.EBUSY, BUSY)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(status.st_size)
            if stamp_of(os.fstat(descriptor)) != stamp:
                raise OSError(errno.EBUSY, BUSY)
    finally:
        os.close(top)
    return iter((data,))


def _patterns(folder: str) -> str:
    """What their user wants to have left out of a folder and what is below; nothing, mostly."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return ignore.read(descriptor)
    finally:
        os.close(descriptor)


def _inside(folder: str, most: int) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for each, _ in zip(entries, range(most)):
            yield each
