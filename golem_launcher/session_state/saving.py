"""What is known of the saves of a session's workspace, and of the variables of its notebooks among them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from golem_launcher.units import counted, data_size

_MOST_NAMES = 8
"""That are named in a line."""


class Saving(BaseModel):
    """How the saving of a workspace stands."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    store: str = ""
    """Where it is kept, without credentials; empty is this computer."""
    generation: int | None = None
    """The newest whole one."""
    saved_at: datetime | None = None
    interval: float = 0.0
    """Seconds between saves at present."""
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    """How long the newest generation took, from the first look at what had changed."""
    new_bytes: int = 0
    """What the newest generation added to the store; the rest of it was there already."""
    kept_bytes: int = 0
    """What all generations of the workspace take in the store, about."""
    left_out: int = 0
    """How much is there and not saved, or not as it is now; all of it is in ``left_out.json`` beside the state."""
    at_stake: int = 0
    """How much of that would be lost at an end: all but links that lead out of the workspace."""
    problem: str = ""
    """Why the last save failed, or what is odd about it (a mass deletion); empty when all is well."""


class KeptVariables(BaseModel):
    """What is kept of the variables of one notebook. Its provider's words, cleaned; of many names some."""

    model_config = ConfigDict(frozen=True)

    notebook: str
    """Its path in the workspace."""
    names: tuple[tuple[str, int], ...] = ()
    """The largest: name and bytes."""
    count: int = 0
    """How many are kept."""
    bytes: int = 0
    lost: tuple[tuple[str, str], ...] = ()
    """Some that can't be kept: name and why."""
    lost_count: int = 0
    left_out: tuple[str, ...] = ()
    """Those that the user does not want to be kept."""

    @property
    def words(self) -> str:
        """All of it, in a line."""
        sizes = [f"{name} {data_size(size)}" if size else name for name, size in self.names[:_MOST_NAMES]]
        more = self.count - len(sizes)
        named = f" ({', '.join(sizes)}{f' and {more:,} more' if more > 0 else ''})" if sizes else ""
        parts = [f"{self.notebook}: {counted(self.count, 'variable')} kept, {data_size(self.bytes)}{named}"]
        lost = [f"{name} ({why})" for name, why in self.lost[:_MOST_NAMES]]
        more = self.lost_count - len(lost)
        if lost:
            parts.append(f"not kept: {', '.join(lost)}{f' and {more:,} more' if more > 0 else ''}")
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)
