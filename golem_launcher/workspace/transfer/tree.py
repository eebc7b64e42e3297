"""The workspace as last reported, assembled from successive lists of changes, and what is suspicious in it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from golem_launcher.units import counted, data_size_of
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.entries import MOST_ENTRIES, Entries
from golem_launcher.workspace.repository.entry_records import Records, beside
from golem_launcher.workspace.repository.lab_layout import is_lab_layout
from golem_launcher.workspace.transfer.change_list import MOST_CHUNKS, TOO_LARGE, TOO_MANY, refused
from golem_launcher.workspace.transfer.omissions import MOST_NAMES, Omissions, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.workspace.transfer.change_list import ChangeList

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
        self.clashes = Omissions()
        """What can't be saved beside the others, and why, as of the last :meth:`sifted`."""

    def after(self, listed: ChangeList) -> tuple[Tree, bool]:
        """The tree that the list makes of this one, which does not change; and whether anything is different in it.

        Raises ``WorkspaceError`` when it has more than a workspace may have.
        """
        records, changed = _merged(self.entries.records, listed.changes, keep=listed.base is not None)
        tree = Tree(Entries(records) if changed else self.entries)
        if listed.base is not None:
            tree.refused = {path: why for path, why in self.refused.items() if not listed.tells_of(path)}
        tree.refused |= listed.refused
        if len(tree.entries) + len(tree.refused) > MOST_ENTRIES or sum(map(size_of, tree.refused)) > 2 * MOST_NAMES:
            raise refused(TOO_MANY)
        tree.clashes = self.clashes
        return tree, changed

    @property
    def odd(self) -> Omissions:
        """Paths that are not saved, each with the reason: refused ones, and those whose names clash."""
        return Omissions(self.refused.items()) | self.clashes

    def sifted(self) -> Entries:
        """The entries that can be saved together."""
        self.clashes = Omissions()
        if all(not why for _, why in _clashing(self.entries)):
            return self.entries
        return Entries(self._without_clashes())

    def _without_clashes(self) -> Iterator[bytes]:
        for each, why in _clashing(self.entries):
            if why:
                self.clashes.add(entry_record.path(each), why)
            else:
                yield each


def _clashing(entries: Entries) -> Iterator[tuple[bytes, str]]:
    """Each record, and why it can't be saved beside the others; empty when it can.

    A link that can't is none, so what lies below it may.
    """
    barrier: bytes | None = None
    for each, leads_out in entries.judged():
        below_file = barrier is not None and each.startswith(barrier)
        if not (below_file or leads_out):
            barrier = None if entry_record.is_directory(each) else entry_record.below(each)
        yield each, leads_out or (_BELOW_FILE if below_file else "")


def _merged(old: Records, changes: Records, *, keep: bool) -> tuple[Records, bool]:
    """Sorted records after changes, and whether they are others; ``keep`` those of which the changes say nothing."""
    if keep and not changes:
        return old, False
    changed, chunks = False, 0

    def found() -> Iterator[bytes]:
        nonlocal changed, chunks
        for before, change in beside(old, changes):
            if change is None or entry_record.is_gone(change):
                there = before if change is None and keep else None
            else:
                there = change
            changed = changed or there != before
            if there is not None:
                chunks += entry_record.chunks(there)
                if chunks > MOST_CHUNKS:
                    raise refused(TOO_LARGE)
                yield there

    records = Records(found())
    return (records, True) if changed else (old, False)


def digest(entries: Entries) -> bytes:
    """A hash that is the same for the same files, whatever their dates are and whichever are open in the Lab."""
    state = hashlib.blake2b(digest_size=16)
    for each in entries.records:
        if not entry_record.is_directory(each) and not is_lab_layout(entry_record.path(each)):
            for part in entry_record.content(each):
                state.update(part)
    return state.digest()


def differ_by_dates(before: Entries, after: Entries) -> bool:
    """Whether the two differ by dates alone, as when a program wrote again what was there."""
    if before == after or len(before) != len(after):
        return False
    pairs = zip(before.records, after.records, strict=True)
    return all(old == new or entry_record.undated(old) == entry_record.undated(new) for old, new in pairs)


def shrunk(before: Entries, after: Entries) -> str:
    """A sentence when most of what was there is not there any more; else nothing."""
    old, new = before.files, after.files
    gone = _files_gone(before, after)
    if gone and (not new or (gone >= _MANY and gone >= _HALF * old)):
        return f"{gone:,} of {counted(old, 'file is', 'files are')} not there any more"
    lost = before.size - after.size
    if lost >= _MUCH and lost >= _HALF * before.size:
        return f"{data_size_of(lost, before.size)} are not there any more"
    return ""


def _files_gone(before: Entries, after: Entries) -> int:
    return sum(
        old is not None and entry_record.is_file(old) and not (new is not None and entry_record.is_file(new))
        for old, new in beside(before.records, after.records)
    )
