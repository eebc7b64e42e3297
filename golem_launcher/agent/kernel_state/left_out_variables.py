"""The names that a notebook's user does not want to be kept: beside its state, so that a new kernel knows them, too."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from .. import atomic_write  # noqa: TID252 - the archive has another name

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE = "left-out.json"
_LARGEST = 1024 * 1024


class LeftOutVariables:
    """Which variables the state in ``directory`` leaves out, as last written. A damaged file counts as none."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, _FILE)
        self.names: set[str] = set()
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(found, list):
            self.names.update(name for name in found if isinstance(name, str))

    def add(self, names: Iterable[str]) -> None:
        """Leave these out from now on. Raises ``OSError`` when a new kernel will not know it."""
        self.names.update(names)
        self._write()

    def remove(self, names: Iterable[str]) -> None:
        """Keep these again. Raises ``OSError`` likewise."""
        self.names.difference_update(names)
        self._write()

    def _write(self) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        atomic_write.write(self._path, json.dumps(sorted(self.names)).encode())
