"""Numbers of bytes as people read them, for where the launcher's own words (``units.py``) can't be had."""

from __future__ import annotations

_KIB, _MIB = 1024, 1024 * 1024


def in_words(size: float) -> str:
    """A number of bytes, to a tenth where it is not a whole number of its unit."""
    if size < _KIB:
        return f"{size:.0f} bytes"
    unit, name = (_MIB, "MiB") if size >= _MIB / 10 else (_KIB, "KiB")
    number = f"{size / unit:.1f}".removesuffix(".0")
    return f"{number} {name}"
