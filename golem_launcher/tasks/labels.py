"""What the tasks of a job are called: in tables and messages, and as the names of what comes back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SUMMARIES = ("summary.csv", "summary.html", "summary.parquet")
"""A sweep's tables; the last one only where pyarrow is installed."""
_LONGEST = 60


def labels_of(items: Sequence[str]) -> list[str]:
    """A file's name for each item: its own where these are short and differ, else with its number."""
    plain = [re.sub(r"[^\w.+=@-]+", "_", item)[:_LONGEST].strip("._") for item in items]
    if all(plain) and len({one.casefold() for one in plain}) == len(plain):
        return plain
    width = len(str(len(plain)))
    return [f"{index:0{width}}" + (f"-{one}" if one else "") for index, one in enumerate(plain, 1)]


def labels_of_sets(sets: Iterable[Mapping[str, Any]]) -> list[str]:
    """A file's name for each set of parameters, without the ending."""
    return labels_of(["-".join(f"{name}={value}" for name, value in one.items()) or "run" for one in sets])
