"""Reads numbers as people type them."""

from __future__ import annotations

import re

_COMMA = re.compile(r"(\d*),(\d{1,2}|\d{4,})")


def with_point(typed: str) -> str:
    """``1.5`` for ``1,5``, as half of the world writes it; ``1,500`` may be meant either way and stays as it is."""
    found = _COMMA.fullmatch(typed.strip())
    return f"{found[1] or 0}.{found[2]}" if found else typed
