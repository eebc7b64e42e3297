"""Suggests known names for one that was mistyped. Used in the messages of errors: requests, stores, networks."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIKE = 0.6
_LONGEST = 80


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like what was typed; ``None`` when none does."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(typed[:_LONGEST].lower(), names, n=1, cutoff=_LIKE)
    return names[found[0]] if found else None


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """``Did you mean 'my-lab'?``, or nothing. A name that begins with what was typed is nearer than any other."""
    names = list(known)
    begun = [name for name in names if typed and name.lower().startswith(typed.lower())]
    name = min(begun, key=len) if begun else nearest(typed, names)
    return f"Did you mean '{name}'?" if name is not None else ""


def meant(typed: str, known: Iterable[str]) -> str:
    """The same as a clause, with all names that there are: ``did you mean 'polygon'? There is local, …``."""
    names = list(known)
    name = nearest(typed, names)
    there = f"there is {', '.join(names)}"
    return f"did you mean '{name}'? T{there[1:]}" if name is not None else there
