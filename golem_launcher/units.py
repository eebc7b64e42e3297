"""How numbers are written for people, by page, commands, log and notifications alike."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """``1 file``, ``2,345 files``; ``several`` is for what takes more than an s: ``1 file is``, ``2 files are``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
