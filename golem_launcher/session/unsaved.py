"""What a last save left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unsaved:
    """To be told before, or after, an end."""

    words: str = ""
    """Empty when all is saved."""
    at_stake: bool = False
    """Whether an end loses it, so that it is worth asking again before."""
