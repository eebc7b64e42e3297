"""The lines of a large manifest, in lists that most later saves have as well, so that they are kept once.

A manifest names all chunks of a workspace, and a save that changes one file would write them all again. So its lines
are cut into lists, each of which is kept like a chunk of a file. Where they are cut is said by what is in them: a
change moves no cut behind it. What is behind the last cut lies in the manifest's own object, and so does all of a small
one. No list ends within the id of a chunk.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LEAST, MOST = 16 * 1024, 256 * 1024
"""Bytes of a list."""
LARGEST = 256 * 1024 * 1024
"""Bytes of all lines of a manifest."""
_END = re.compile(rb'0[0-3]"[],]')
"""Of each 64 ids one ends like this."""
_ANY_END = b'",'


def cut(lines: Iterable[bytes], keep: Callable[[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """The lists of these lines, as ``keep`` names them, and what is left behind them; the lines come in pieces.

    Raises ``WorkspaceError`` when they are too long.
    """
    names, waiting, length = [], bytearray(), 0
    for piece in lines:
        length += len(piece)
        if length > LARGEST:
            raise WorkspaceError(
                "The list of the workspace's files is too long to be saved.",
                "Leave some directories out by a file .golemignore.",
            )
        waiting += piece
        while end := _end(waiting):
            names.append(keep(bytes(waiting[:end])))
            del waiting[:end]
    return names, bytes(waiting)


def _end(waiting: bytearray) -> int:
    """Where the first list in there ends; 0 where that is not to be seen yet."""
    found = _END.search(waiting, LEAST, MOST)
    if found is not None:
        return found.end()
    if len(waiting) < MOST:
        return 0
    at = waiting.rfind(_ANY_END, LEAST, MOST)
    return at + len(_ANY_END) if at >= 0 else MOST  # among the many holes of a file, where no id is


def named(first: bytes) -> Iterator[bytes]:
    """The names of the lists that a manifest's first line tells of. Raises ``ValueError`` where it makes no sense."""
    try:
        names = json.loads(first)["lists"]
        if len(names) > LARGEST // LEAST:
            raise ValueError("more lists than there can be")
        for each in names:
            name = bytes.fromhex(each)
            if len(name) != ID_BYTES:
                raise ValueError("not a list's name")
            yield name
    except (KeyError, TypeError, RecursionError):
        raise ValueError("a manifest that names no lists") from None
