"""Finds the saved variables of notebooks in a workspace: they are meant for the session's next machine only.

They are pickles of a stranger's, so what is exported to the user's own computer leaves them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.agent.kernel_state import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from golem_launcher.workspace.repository.entry import Entry


def without_kernel_states(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries without the files of notebooks' variables, which are of no use outside of a session."""
    return (entry for entry in entries if not _is_one(entry.path))


def kernel_states(entries: Iterable[Entry]) -> tuple[int, int]:
    """How many files of variables there are, and their bytes."""
    files = size = 0
    for entry in entries:
        if _is_one(entry.path):
            files += entry.kind == "file"
            size += entry.size
    return files, size


def _is_one(path: str) -> bool:
    return path == PLACE or path.startswith(f"{PLACE}/")
