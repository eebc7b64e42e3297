"""The workspace as last reported, assembled from successive plans, and what is suspicious in it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from golem_launcher.units import counted, data_size_of
from golem_launcher.workspace.repository import symlinks
from golem_launcher.workspace.repository.manifest import by_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from golem_launcher.workspace.repository.manifest import Entry
    from golem_launcher.workspace.transfer.plan import Plan

_MANY = 10
_MUCH = 10 * 1024 * 1024
_HALF = 0.5
_BELOW_FILE = "it lies below something that is no directory"


class Tree:
    """Entries by their path."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = {entry.path: entry for entry in entries}
        self.refused: dict[str, str] = {}
        """What is there but can't be saved, and why."""
        self.clashes: dict[str, str] = {}
        """What can't be saved beside the others, and why, as of the last :meth:`sifted`."""

    def after(self, plan: Plan) -> tuple[Tree, bool]:
        """The tree that a plan makes of this one, which stays as it is; whether anything is another than before."""
        touched = plan.removed | plan.changed.keys()
        tree = Tree(() if plan.base is None else self.entries.values())
        if plan.base is not None:
            tree.refused = {path: why for path, why in self.refused.items() if path not in touched}
        tree.refused |= plan.refused
        tree.clashes = self.clashes
        for path in plan.removed:
            tree.entries.pop(path, None)
        tree.entries |= plan.changed
        if plan.base is None:
            return tree, tree.entries != self.entries
        return tree, any(self.entries.get(path) != tree.entries.get(path) for path in touched)

    @property
    def odd(self) -> dict[str, str]:
        """What is not saved, and why."""
        return self.refused | self.clashes

    def sifted(self) -> list[Entry]:
        """The entries that can be saved together, sorted."""
        kept: dict[str, Entry] = {}
        odd = symlinks.leading_out(
            (entry.path, entry.target) for entry in self.entries.values() if entry.kind == "link"
        )
        for entry in sorted(self.entries.values(), key=lambda entry: by_parts(entry.path)):
            if entry.path in odd:
                continue
            if _below_directories(entry.path, kept):
                kept[entry.path] = entry
            else:
                odd[entry.path] = _BELOW_FILE
        self.clashes = odd
        return list(kept.values())


def _below_directories(path: str, kept: dict[str, Entry]) -> bool:
    """Whether what it lies in is a directory. Sorted as they are, what is above a path comes before it."""
    parent = path.rpartition("/")[0]
    while parent:
        above = kept.get(parent)
        if above is not None:
            return above.kind == "directory"
        parent = parent.rpartition("/")[0]
    return True


def digest(entries: Iterable[Entry]) -> bytes:
    """The same for the same files, whenever they were written."""
    state = hashlib.blake2b(digest_size=16)
    for entry in entries:
        if entry.kind != "directory":
            state.update(
                f"{entry.path}\0{entry.kind}\0{entry.size}\0{''.join(entry.chunks)}\0{entry.target}\0".encode()
            )
    return state.digest()


def differ_by_dates(before: Sequence[Entry], after: Sequence[Entry]) -> bool:
    """Whether nothing but dates tells the one from the other: a program wrote again what was there already."""
    if before == after or len(before) != len(after):
        return False
    return all(old == new or _undated(old) == _undated(new) for old, new in zip(before, after, strict=True))


def _undated(entry: Entry) -> tuple[object, ...]:
    return entry.path, entry.kind, entry.mode, entry.size, entry.chunks, entry.target, entry.holes


def shrunk(before: Iterable[Entry], after: Iterable[Entry]) -> str:
    """A sentence when most of what was there is not there any more; else nothing."""
    old = {entry.path: entry.data for entry in before if entry.kind == "file"}
    new = {entry.path: entry.data for entry in after if entry.kind == "file"}
    gone = sum(path not in new for path in old)
    if gone and (not new or (gone >= _MANY and gone >= _HALF * len(old))):
        return f"{gone:,} of {counted(len(old), 'file is', 'files are')} not there any more"
    lost = sum(old.values()) - sum(new.values())
    if lost >= _MUCH and lost >= _HALF * sum(old.values()):
        return f"{data_size_of(lost, sum(old.values()))} are not there any more"
    return ""
