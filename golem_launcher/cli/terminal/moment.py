"""A moment, as terminals show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def moment(at: datetime | None) -> str:
    """A moment by the clock of this computer, with its zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}" if at else "no fixed time"
