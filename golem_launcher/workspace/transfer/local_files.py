"""Files of this computer that a session brings along, as the entries and chunks that a workspace is made of."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from golem_launcher.agent.workspace.chunker import chunk_id, cut_open
from golem_launcher.agent.workspace.name_escaping import escape
from golem_launcher.errors import WorkspaceError
from golem_launcher.untrusted_text import clean_line
from golem_launcher.workspace.repository.entry import Entry, shown
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MOST_NOTICES = 20


@dataclass(frozen=True)
class _Place:
    path: Path
    offset: int
    size: int


class LocalFiles:
    """Files of this computer as entries and their chunks. Blocking; ``WorkspaceError`` for what can't be read."""

    def __init__(self, sources: Sequence[tuple[Path, str]]) -> None:
        self.notices: list[str] = []
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, _Place] = {}
        for path, target in sources:
            self._add(path.expanduser(), target.strip("/"))

    @property
    def entries(self) -> list[Entry]:
        """The entries to be written, directories before what is in them."""
        return [self._entries[path] for path in sorted(self._entries)]

    def get_chunk(self, identifier: str) -> bytes:
        """The bytes of a chunk."""
        place = self._places[identifier]
        try:
            with place.path.open("rb") as file:
                file.seek(place.offset)
                data = file.read(place.size)
        except OSError as error:
            raise DamagedObject(f"{shown(place.path)} can't be read: {error.strerror}.") from None
        if chunk_id(data).hex() != identifier:
            raise DamagedObject(f"{shown(place.path)} was changed while it was sent.")
        return data

    def _add(self, path: Path, target: str) -> None:
        try:
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                self._add_file(path, target, found)
                return
            for folder, directories, names in os.walk(path):
                directories.sort()
                inside = os.path.relpath(folder, path)
                prefix = "/".join(part for part in (target, "" if inside == "." else inside) if part)
                if prefix:
                    status = os.stat(folder)  # noqa: PTH116
                    self._put(Entry(prefix, "directory", status.st_mode & 0o777, status.st_mtime_ns))
                for each in self._regular(path.__class__(folder), names):
                    self._add_file(each, f"{prefix}/{each.name}".lstrip("/"), each.stat())
        except OSError as error:
            raise WorkspaceError(
                f"{path} can't be read: {error.strerror}.", "Leave it out, or make it readable."
            ) from None

    def _regular(self, folder: Path, names: list[str]) -> Iterator[Path]:
        for name in sorted(names):
            if stat.S_ISREG((folder / name).lstat().st_mode):
                yield folder / name
            elif len(self.notices) < _MOST_NOTICES:
                self.notices.append(f"{clean_line(str(folder / name))} was left out: it is no file of its own.")

    def _add_file(self, path: Path, target: str, status: os.stat_result) -> None:
        with path.open("rb") as file:
            cuts, _ = cut_open(file.fileno(), status.st_size)
        for offset, chunk, size in cuts.places():
            self._places[chunk.hex()] = _Place(path, offset, size)
        mode, mtime = status.st_mode & 0o777, status.st_mtime_ns
        self._put(Entry(target, "file", mode, mtime, cuts.size, tuple(cuts.hexes), holes=cuts.holes))

    def _put(self, entry: Entry) -> None:
        path = escape(entry.path)
        self._entries[path] = replace(entry, path=path)
