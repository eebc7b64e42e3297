"""Progress of an image build, for whoever waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from golem_launcher.units import data_size_of


@dataclass(frozen=True)
class BuildStep:
    """How far the making is. A step's own amount is in ``unit``; 0 of 0 when it can't be known."""

    name: str
    """What is done, as a sentence about it begins: fetching Debian's packages."""
    done: int = 0
    total: int = 0
    unit: str = "bytes"

    @property
    def words(self) -> str:
        """How far it is: 12.0 of 69.0 MiB."""
        if not self.total:
            return ""
        if self.unit == "bytes":
            return data_size_of(self.done, self.total)
        return f"{self.done} of {self.total} {self.unit}"
