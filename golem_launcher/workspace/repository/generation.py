"""What is told of one saved state without reading it: in lists, and at the head of its manifest's object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.workspace.repository.manifest import Manifest


@dataclass(frozen=True)
class Generation:
    """One saved state, without its files."""

    workspace: str
    number: int
    created_at: datetime
    files: int
    bytes: int
    flags: tuple[str, ...]
    left_out: int = 0
    """How much was there and is not in it, or not as it was then."""

    @classmethod
    def of(cls, manifest: Manifest) -> Generation:
        """The generation that a manifest describes, as lists show it."""
        return cls(
            manifest.workspace,
            manifest.generation,
            manifest.created_at,
            manifest.files,
            manifest.size,
            manifest.flags,
            len(manifest.left_out),
        )

    @classmethod
    def from_summary(cls, workspace: str, number: int, summary: dict[str, Any]) -> Generation:
        """The generation that an object's head tells of."""
        return cls(
            workspace=workspace,
            number=number,
            created_at=datetime.fromisoformat(summary["created_at"]),
            files=summary["files"],
            bytes=summary["bytes"],
            flags=tuple(summary["flags"]),
            left_out=summary.get("left_out", 0),
        )

    def summary(self) -> dict[str, Any]:
        """What stands at the head of its object; workspace and number are in the object's name."""
        return {
            "created_at": self.created_at.isoformat(),
            "files": self.files,
            "bytes": self.bytes,
            "flags": self.flags,
            "left_out": self.left_out,
        }
