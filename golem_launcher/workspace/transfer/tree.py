"""The workspace as last reported, assembled from successive plans, and what is suspicious in it."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING

from golem_launcher.units import counted, data_size_of
from golem_launcher.workspace.repository import record, symlinks
from golem_launcher.workspace.repository.entries import Entries, placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from golem_launcher.workspace.transfer.plan import Plan

_MANY = 10
_MUCH = 10 * 1024 * 1024
_HALF = 0.5
_BELOW_FILE = "it lies below something that is no directory"


class Tree:
    """What is in a workspace, and what of it can't be saved."""

    def __init__(self, entries: Entries | None = None) -> None:
        self.entries = Entries() if entries is None else entries
        self.refused: dict[str, str] = {}
        """What is there but can't be saved, and why."""
        self.clashes: dict[str, str] = {}
        """What can't be saved beside the others, and why, as of the last :meth:`sifted`."""

    def after(self, plan: Plan) -> tuple[Tree, bool]:
        """The tree that a plan makes of this one, which stays as it is; whether anything is another than before."""
        records, changed = _merged(self.entries.records, plan.changes, keep=plan.base is not None)
        tree = Tree(Entries(records))
        if plan.base is not None:
            tree.refused = {path: why for path, why in self.refused.items() if not plan.tells_of(path)}
        tree.refused |= plan.refused
        tree.clashes = self.clashes
        return tree, changed

    @property
    def odd(self) -> dict[str, str]:
        """What is not saved, and why."""
        return self.refused | self.clashes

    def sifted(self) -> Entries:
        """The entries that can be saved together."""
        odd = symlinks.leading_out(self.entries.links())
        keys = {record.key_of(path) for path in odd}
        there = (each for each in self.entries.records if not keys or record.key(each) not in keys)
        kept: list[bytes] = []
        for each, fits in placed(there):
            if fits:
                kept.append(each)
            else:
                odd[record.path(each)] = _BELOW_FILE
        self.clashes = odd
        return Entries(kept) if len(kept) < len(self.entries) else self.entries


def _merged(old: Sequence[bytes], changes: Sequence[bytes], *, keep: bool) -> tuple[Sequence[bytes], bool]:
    """Sorted records after changes, and whether they are others; ``keep`` those of which the changes say nothing.

    What is as before is the same object, so that two lists of a workspace take little more than one; so is the whole
    when all of it is.
    """
    found: list[bytes] = []
    changed, at = False, 0
    for change in changes:
        key = record.key(change)
        to = bisect_left(old, key, at)
        if keep:
            found += old[at:to]
        changed |= not keep and to > at
        before = old[to] if to < len(old) and old[to].startswith(key) else None
        at = to if before is None else to + 1
        if record.is_gone(change):
            changed |= before is not None
            continue
        changed |= change != before
        found.append(before if before is not None and before == change else change)
    if keep:
        found += old[at:]
    changed |= not keep and at < len(old)
    return (found, True) if changed else (old, False)


def digest(entries: Entries) -> bytes:
    """The same for the same files, whenever they were written."""
    state = hashlib.blake2b(digest_size=16)
    for each in entries.records:
        if not record.is_directory(each):
            state.update(record.content(each))
    return state.digest()


def differ_by_dates(before: Entries, after: Entries) -> bool:
    """Whether nothing but dates tells the one from the other: a program wrote again what was there already."""
    if before == after or len(before) != len(after):
        return False
    pairs = zip(before.records, after.records, strict=True)
    return all(old is new or record.undated(old) == record.undated(new) for old, new in pairs)


def shrunk(before: Entries, after: Entries) -> str:
    """A sentence when most of what was there is not there any more; else nothing."""
    old, new = before.files, after.files
    gone = sum(1 for _ in _files_gone(before, after))
    if gone and (not new or (gone >= _MANY and gone >= _HALF * old)):
        return f"{gone:,} of {counted(old, 'file is', 'files are')} not there any more"
    lost = before.size - after.size
    if lost >= _MUCH and lost >= _HALF * before.size:
        return f"{data_size_of(lost, before.size)} are not there any more"
    return ""


def _files_gone(before: Entries, after: Entries) -> Iterator[bytes]:
    at = 0
    for each in before.records:
        if at < len(after.records) and after.records[at] is each:
            at += 1
            continue
        key = record.key(each)
        at = bisect_left(after.records, key, at)
        there = after.records[at] if at < len(after.records) else b""
        if record.is_file(each) and not (there.startswith(key) and record.is_file(there)):
            yield each
