"""Follows a growing file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.session.on_disk.directory import read_lines

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_BYTES = 256 * 1024
"""A reader that fell behind by more than this continues this far from the end."""


class Tail:
    """Reads what is appended to a file; skips ahead when there is too much of it, unless it must be ``whole``."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self._path = path
        self._whole = whole
        self._offset = 0
        self.skipped = False
        """Whether the last ``read`` left lines out."""

    def read(self) -> list[bytes]:
        """The whole lines that are new."""
        self.skipped = False
        try:
            size = self._path.stat().st_size
        except OSError:
            return []
        if size == self._offset:
            return []
        if size < self._offset:  # not ours to explain: somebody cut the file
            self._offset = 0
        if not self._whole and size - self._offset > _TAIL_BYTES:
            self.skipped = True
            self._offset = size - _TAIL_BYTES
        lines, self._offset = read_lines(self._path, self._offset)
        return lines[1:] if self.skipped else lines  # the first may be the rest of a line
