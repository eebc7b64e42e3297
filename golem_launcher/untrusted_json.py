"""Parses JSON from strangers within bounds, because Python's parser blocks everything else meanwhile.

A megabyte of ``[],[],…`` is a third of a million lists, and tens of milliseconds in which no loop turns. What is asked
of providers is small, or comes in many small values; so a value has a size that it can't exceed, whatever is in it.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

LARGEST = 256 * 1024
"""Bytes of one value: some 20 ms and 10 MiB at the worst."""


def json_value(data: bytes | bytearray, *, most: int = LARGEST) -> Any:
    """The value. Raises ``ValueError`` for what is none, larger than ``most``, or nested hundreds deep."""
    if len(data) > most:
        raise ValueError(f"a value of more than {most} bytes")
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("a value that is nested too deep") from None


def json_object(data: bytes) -> dict[str, Any]:
    """An object of such values; empty for what is none, or no JSON."""
    try:
        value = json_value(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """A number of such a value; ``None`` for what is none, has no end, or is larger than a float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
