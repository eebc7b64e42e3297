"""The content of a saved file as a sequence of chunks and holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.errors import WorkspaceError
from golem_launcher.units import counted
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from golem_launcher.workspace.repository.entry import Entry

LOST = "a part of it is damaged in the store"


def see_none_damaged(workspace: str, damaged: Sequence[str], target: Path) -> None:
    """Raise ``WorkspaceError`` where some of a workspace's files are lost in the store: all else is in ``target``."""
    if damaged:
        files = counted(len(damaged), "file is", "files are")
        raise WorkspaceError(
            f"{files} damaged in the store and not in {target}.", f"How to mend it: golem-launcher verify {workspace}"
        )


def pieces(entry: Entry, get_chunk: Callable[[str], bytes]) -> Iterator[bytes | int]:
    """The pieces of a file in their order; a number is a hole of so many bytes. Blocking.

    Raises ``DamagedObject`` when a chunk is lost, or they do not make the file that was saved.
    """
    offset, holes = 0, iter((*entry.holes, (-1, 0)))
    hole, length = next(holes)
    for chunk in (*entry.chunks, None):
        while offset == hole:
            yield length
            offset += length
            hole, length = next(holes)
        if chunk is not None:
            data = get_chunk(chunk)
            yield data
            offset += len(data)
    if offset != entry.size or hole != -1:
        raise DamagedObject("A file has another size than it was saved with.")
