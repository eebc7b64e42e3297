"""Whole numbers that strangers send, for both sides of a session."""

from __future__ import annotations


def whole(text: str | bytes, digits: int = 18) -> int | None:
    """The number that up to so many plain digits are; ``None`` for all else, of which ``int`` takes some or raises."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
