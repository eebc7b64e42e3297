"""Both sides as they are at the beginning of a round, and what is to be done."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionError
from golem_launcher.kernel.sync.local_folder import MOST_FILES, File, Folder, Scan, TooManyFiles, digest
from golem_launcher.kernel.sync.merge import SyncStep, Version, merge
from golem_launcher.kernel.sync.merge_base import Known, MergeBase
from golem_launcher.kernel.sync.remote_folder import FolderListing, Workspace, key
from golem_launcher.workspace.export.file_content import LOST
from golem_launcher.workspace.repository.autorun_files import could_run
from golem_launcher.workspace.repository.case_conflicts import folded, ignores_case
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from golem_launcher.kernel.contents import Look
    from golem_launcher.workspace.repository.entry import Entry

_RUNS = "some program would run it by itself; by hand: %download"


@dataclass(frozen=True)
class Comparison:
    """Both sides at the beginning of a round, and the steps that make them equal."""

    steps: tuple[tuple[SyncStep, str], ...]
    equal: frozenset[str]
    here: dict[str, File]
    there: dict[str, Entry]
    left_out: dict[str, str]


class Comparer:
    """Looks at both sides; blocking. What was read once is not read again."""

    def __init__(self, folder: Folder, workspace: Workspace, common: MergeBase) -> None:
        self._folder = folder
        self._workspace = workspace
        self._common = common
        self._one_case = ignores_case(folder.path)
        self._listing = FolderListing()
        self._contents: dict[str, str] = {}
        """Of saved files that were read, by their keys."""

    def look(self, agreement: str | None, newest: Callable[[], int | None]) -> Comparison:
        """Both sides as they are, with what a provider was sent by this agreement; what was equal is written down.

        ``newest``: gives the newest generation. It is asked once nobody else looks: what another notebook wrote down
        is of none that is newer. Raises ``SessionError``, and ``WorkspaceError`` of the store.
        """
        with self._turn():
            self._common.read(agreement)
            return self._look(agreement, newest())

    def note_sent(self, agreement: str | None, sent: Mapping[str, tuple[str, Look] | None]) -> None:
        """Write down what steps sent to the provider of this agreement. Raises ``SessionError``."""
        with self._turn():
            self._common.become_sent(agreement, sent)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with self._common.turn():
                yield
        except TimeoutError:
            raise SessionError(
                f"Another notebook compares {self._folder.path}, and does not end.", "Try again in a minute."
            ) from None
        except OSError as error:
            raise SessionError(
                f"What is equal in {self._folder.path} can't be written down: {error.strerror or error}.",
                "Check that the disk has room.",
            ) from None

    def _look(self, agreement: str | None, generation: int | None) -> Comparison:
        common = self._common.files
        try:
            scan = self._folder.scan({path: one.here for path, one in common.items()})
            if generation != self._listing.generation:
                self._listing = self._workspace.listing(generation)
        except TooManyFiles:
            raise too_many(self._folder.path) from None
        except OSError as error:
            raise SessionError(f"{self._folder.path} can't be read: {error.strerror or error}.") from None
        left_out = {**self._listing.left_out, **scan.left_out}
        entries = self._fitting(scan, left_out)
        here = {path: one.version for path, one in scan.files.items()}
        there = {path: self._version(path, entry, scan.files.get(path), left_out) for path, entry in entries.items()}
        last = {path: one.version for path, one in common.items()}
        for path, (content, _) in self._common.sent.items():
            if path in there and there[path].content == content:  # whoever changed it here since then knows this one
                last[path] = there[path]
        left_out |= {
            path: _RUNS
            for path, one in there.items()
            if could_run(path) and one.content not in {each[path].content for each in (last, here) if path in each}
        }
        merged = merge(
            last,
            {path: one for path, one in here.items() if path not in left_out},
            {path: one for path, one in there.items() if path not in left_out},
        )
        left_out |= dict.fromkeys(merged.in_the_way, "it is a file on one side and a folder on the other")
        steps = tuple(one for one in merged.steps if not _is_below(one[1], left_out))
        equal = {
            path: Known(here[path].content, scan.files[path].stamp, key(entries[path]), entries[path].mtime_ns)
            for path in merged.equal
        }
        unfinished = {path for _, path in steps} | set(left_out)
        self._common.become(equal | {path: one for path, one in common.items() if path in unfinished})
        self._common.become_sent(agreement, dict.fromkeys(equal))
        return Comparison(steps, frozenset(equal), scan.files, entries, left_out)

    def _fitting(self, scan: Scan, left_out: dict[str, str]) -> dict[str, Entry]:
        """The files over there that can be here, too; the others are left out."""
        entries = {path: one for path, one in self._listing.files.items() if path not in scan.left_out}
        if not self._one_case:
            return entries
        names = {folded(path): path for path in scan.files}
        for path in list(entries):
            if names.setdefault(folded(path), path) != path:
                left_out[path] = "another name is the same on this computer"
                del entries[path]
        return entries

    def _version(self, path: str, entry: Entry, here: File | None, left_out: dict[str, str]) -> Version:
        """What is over there, read only where it may be what is here, or was."""
        known, name = self._common.files.get(path), key(entry)
        if known is not None and known.key == name:
            return Version(known.content, entry.mtime_ns)
        content = self._contents.get(name)
        sizes = {known.stamp[1] if known else -1, here.size if here else -1}
        if content is None and (entry.size in sizes or path in self._common.sent):
            try:
                content = digest(self._workspace.pieces(entry))
            except DamagedObject:
                left_out[path] = LOST
            else:
                self._contents[name] = content
        return Version(content or f"saved {name}", entry.mtime_ns)


def _is_below(path: str, left_out: dict[str, str]) -> bool:
    """Whether this is left out, or lies in what is."""
    while path:
        if path in left_out:
            return True
        path = path.rpartition("/")[0]
    return "" in left_out


def too_many(path: Path) -> SessionError:
    """The error for a folder with more files than a project has."""
    return SessionError(f"There are more than {MOST_FILES:,} files in {path}.", "Sync a folder in it.")
