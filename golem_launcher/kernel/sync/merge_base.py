"""What both sides had equal last, on disk: a later session with the same saved workspace goes on from there.

One file for a folder of this computer and a workspace of a store, below the launcher's home; beside it what nobody was
there to be told. Blocking.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.kernel.sync.local_folder import File
from golem_launcher.kernel.sync.merge import Version

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_DIGITS = 24
_MOST_UNTOLD = 100


@dataclass(frozen=True)
class Known:
    """A file that was equal on both sides."""

    content: str
    stamp: tuple[int, int, int]
    """Of the file here."""
    key: str
    """Of the saved file from over there, as :func:`golem_launcher.kernel.sync.remote_folder.key` has it."""
    there_ns: int
    """When that was changed."""

    @property
    def here(self) -> File:
        """As it was here."""
        return File(Version(self.content, self.stamp[2]), self.stamp)

    @property
    def version(self) -> Version:
        """As it was over there."""
        return Version(self.content, self.there_ns)


class MergeBase:
    """The files that were equal last, by their paths. ``read`` once; written when it is changed."""

    def __init__(self, folder: Path, store: str | None, workspace: str, place: str) -> None:
        named = "\0".join((str(folder.resolve()), store or "", workspace, place))
        digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
        self._path = paths.private_directory(paths.home() / "synced") / f"{digest}.json"
        self._untold = self._path.with_suffix(".untold.json")
        self._lock = self._path.with_suffix(".lock")
        self.files: dict[str, Known] = {}

    def held(self, seconds: float) -> AbstractContextManager[None]:
        """Have the folder alone: only while no notebook keeps it equal. Raises ``TimeoutError`` after ``seconds``."""
        return files.locked(self._lock, deadline=seconds)

    def read(self) -> None:
        """Read what was written down."""
        found = files.read_json(self._path)
        if isinstance(found, dict):
            self.files = {
                path: Known(content, (stamp[0], stamp[1], stamp[2]), key, there_ns)
                for path, (content, stamp, key, there_ns) in found.items()
            }

    def become(self, equal: dict[str, Known]) -> None:
        """These are equal now. Raises ``OSError`` when that can't be written down; it counts all the same."""
        if equal != self.files:
            self.files = equal
            value = {path: [one.content, list(one.stamp), one.key, one.there_ns] for path, one in equal.items()}
            files.write_json(self._path, value)

    def leave_untold(self, sentences: list[str]) -> None:
        """Keep these for who syncs the folder next. Raises ``OSError``."""
        files.write_json(self._untold, [*self._kept(), *sentences][:_MOST_UNTOLD])

    def take_untold(self) -> list[str]:
        """What was kept; it is no more."""
        kept = self._kept()
        self._untold.unlink(missing_ok=True)
        return kept

    def _kept(self) -> list[str]:
        found = files.read_json(self._untold)
        return [str(one) for one in found] if isinstance(found, list) else []
