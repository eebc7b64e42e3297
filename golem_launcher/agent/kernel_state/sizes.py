"""Numbers of bytes as people read them, for where the launcher's own words (``units.py``) can't be had."""

from __future__ import annotations

_KB, _MB = 1e3, 1e6


def in_words(size: float) -> str:
    """A number of bytes, to a tenth where it is not a whole number of its unit."""
    if size < _KB:
        return f"{size:.0f} bytes"
    unit, name = (_MB, "MB") if size >= _MB / 10 else (_KB, "kB")
    number = f"{size / unit:.1f}".removesuffix(".0")
    return f"{number} {name}"
