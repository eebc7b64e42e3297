"""What of a workspace is not saved, and why: all of it is counted, and of very many the first are named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.manifest import MOST_LEFT_OUT
from golem_launcher.workspace.repository.symlinks import LEADS_OUT, TOO_MANY

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_NAMES = 4 * 1024 * 1024
"""Bytes of memory for paths that a provider tells beside the list itself."""
HARMLESS = {LEADS_OUT, TOO_MANY}
"""Reasons for which nothing is lost: what the link led to was never in the workspace."""


class Omissions:
    """Paths and reasons; the last one of a path counts."""

    def __init__(self, these: Iterable[tuple[str, str]] = ()) -> None:
        self.named: dict[str, str] = {}
        self.count = self.at_stake = 0
        """How many there are, and of how many something is lost."""
        self._room = MOST_NAMES
        for path, why in these:
            self.add(path, why)

    def add(self, path: str, why: str) -> None:
        """Add a path and why it is left out."""
        before = self.named.get(path)
        if before is not None:
            self.at_stake -= before not in HARMLESS
            self.count -= 1
        self.at_stake += why not in HARMLESS
        self.count += 1
        if before is not None or (len(self.named) < MOST_LEFT_OUT and self._room > 0):
            self.named[path] = why
            self._room -= size_of(path) + size_of(why)

    def __or__(self, other: Omissions) -> Omissions:
        """Both; where they differ, what the other one says."""
        found = Omissions((*self.named.items(), *other.named.items()))
        for each in (self, other):
            more = each.count - len(each.named)
            found.count += more
            found.at_stake += min(more, each.at_stake)
        return found


def size_of(text: str) -> int:
    """Bytes of memory of a text: a letter of many languages takes two, one of a few four."""
    return sys.getsizeof(text)
