"""TCP sequence numbers, which start anywhere and wrap, and stream positions, which start at 0 and don't."""

from __future__ import annotations

_WRAP = 1 << 32
_HALF = 1 << 31


def number(initial: int, position: int) -> int:
    """The sequence number of a position in the stream that began with ``initial``."""
    return (initial + position) % _WRAP


def position(initial: int, number: int, near: int) -> int:
    """The position that a sequence number means: the one of all possible that lies around ``near``."""
    offset = (number - initial - near) % _WRAP
    return near + (offset - _WRAP if offset >= _HALF else offset)
