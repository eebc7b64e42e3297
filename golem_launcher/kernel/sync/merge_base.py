"""What both sides had equal last, on disk: a later session with the same saved workspace goes on from there.

One file for a folder of this computer and a workspace of a store, below the launcher's home; beside it what was sent
and is in no save yet, and what nobody was there to be told. All notebooks that keep the folder equal share them.
Blocking.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.kernel.contents import Look
from golem_launcher.kernel.sync.local_folder import File
from golem_launcher.kernel.sync.merge import Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

_DIGITS = 24
_MOST_UNTOLD = 100
_TURN_SECONDS = 60.0


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
    """The files that were equal last, by their paths. ``read`` in each :meth:`turn`; written when it is changed."""

    def __init__(self, folder: Path, store: str | None, workspace: str, place: str) -> None:
        named = "\0".join((str(folder.resolve()), store or "", workspace, place))
        digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
        self._path = paths.private_directory(paths.home() / "synced") / f"{digest}.json"
        self._untold = self._path.with_suffix(".untold.json")
        self._lock = self._path.with_suffix(".lock")
        self._turn = self._path.with_suffix(".turn.lock")
        self._unsaved = self._path.with_suffix(".unsaved.json")
        self.files: dict[str, Known] = {}
        self.sent: dict[str, tuple[str, Look]] = {}
        """Of what a provider was sent and is in no save yet: content, and how it looks there."""

    def held(self, seconds: float) -> AbstractContextManager[None]:
        """Have the folder alone: only while no notebook keeps it equal. Raises ``TimeoutError`` after ``seconds``."""
        return files.locked(self._lock, deadline=seconds)

    def turn(self) -> AbstractContextManager[None]:
        """Compare and write down while no other notebook does. Raises ``TimeoutError`` after a minute."""
        return files.locked(self._turn, deadline=_TURN_SECONDS)

    def read(self, agreement: str | None) -> None:
        """Read what was written down; what was ``sent`` counts for the provider of this agreement alone."""
        found = files.read_json(self._path)
        self.files = {
            path: Known(content, (stamp[0], stamp[1], stamp[2]), key, there_ns)
            for path, (content, stamp, key, there_ns) in (found.items() if isinstance(found, dict) else ())
        }
        self.sent = self._sent_to(agreement)

    def become(self, equal: dict[str, Known]) -> None:
        """These are equal now. Raises ``OSError`` when that can't be written down."""
        if equal != self.files:
            self.files = equal
            value = {path: [one.content, list(one.stamp), one.key, one.there_ns] for path, one in equal.items()}
            files.write_json(self._path, value)

    def become_sent(self, agreement: str | None, changes: Mapping[str, tuple[str, Look] | None]) -> None:
        """What was sent meanwhile to the provider of this agreement, or (``None``) waits for no save any more.

        Raises ``OSError`` when that can't be written down.
        """
        before = self._sent_to(agreement)
        self.sent = {path: one for path, one in {**before, **changes}.items() if one is not None}
        if self.sent != before:
            sent = {path: [content, look.size, look.changed] for path, (content, look) in self.sent.items()}
            files.write_json(self._unsaved, {"agreement": agreement, "sent": sent})

    def _sent_to(self, agreement: str | None) -> dict[str, tuple[str, Look]]:
        found = files.read_json(self._unsaved)
        if not isinstance(found, dict) or found["agreement"] != agreement:  # another provider does not have it
            return {}
        return {path: (content, Look(size, changed)) for path, (content, size, changed) in found["sent"].items()}

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
