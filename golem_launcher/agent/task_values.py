"""How arguments and results of a function travel: JSON, and beside it the bytes and files that JSON has no words for.

Both sides use it; neither ever makes more of what it reads than text, numbers, lists, dicts, bytes and files. A value
becomes JSON in which ``{"$golem": "bytes", "blob": 3}`` stands for the bytes of the third blob that travels along, and
``"file"`` for a path: the file is brought, and the other side has its path there.
"""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "$golem"
_DEEPEST = 100


class Untransportable(TypeError):  # noqa: N818 - it is an answer
    """A value that can't travel; its text names it, and says what can."""


def encode(  # noqa: C901 - a case for each kind of value
    value: Any, add_bytes: Callable[[bytes], int], add_file: Callable[[PurePath], int]
) -> Any:
    """The value as JSON knows it. What has no words there is given to ``add_bytes`` or ``add_file``: a blob's number.

    Raises ``Untransportable``.
    """

    def walk(value: Any, place: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Untransportable(f"{place} is nested too deep, or contains itself")
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {_MARK: "float", "is": str(value)}
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {_MARK: "bytes", "blob": add_bytes(bytes(value))}
        if isinstance(value, PurePath):
            return {_MARK: "file", "blob": add_file(value)}
        if isinstance(value, (list, tuple)):
            return [walk(one, f"{place}[{index}]", depth + 1) for index, one in enumerate(value)]
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str) or key == _MARK:
                    raise Untransportable(f"{place} has the key {key!r:.80}; keys that can travel are text")
            return {key: walk(one, f"{place}[{key!r:.40}]", depth + 1) for key, one in value.items()}
        kind = f"{type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
        raise Untransportable(
            f"{place} is a {kind}, which can't travel. What can: None, truth values, numbers, text, bytes, lists, "
            f"dicts with text as keys, and paths of files (pathlib.Path){_advice(value)}"
        )

    return walk(value, "it", 0)


def decode(value: Any, take_bytes: Callable[[int], bytes], take_file: Callable[[int], Any]) -> Any:
    """The value that :func:`encode` made this of. Raises ``ValueError`` for what it never makes."""
    if isinstance(value, list):
        return [decode(one, take_bytes, take_file) for one in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key: decode(one, take_bytes, take_file) for key, one in value.items()}
    kind, blob = value[_MARK], value.get("blob")
    if kind == "float" and value.get("is") in {"nan", "inf", "-inf"}:
        return float(value["is"])
    if not isinstance(blob, int) or isinstance(blob, bool) or kind not in {"bytes", "file"}:
        raise ValueError("a value that nobody sends")
    return take_bytes(blob) if kind == "bytes" else take_file(blob)


def _advice(value: Any) -> str:
    if hasattr(value, "tolist"):
        return "; .tolist() makes a list of it"
    if isinstance(value, (set, frozenset)):
        return "; sorted() makes a list of it"
    if hasattr(value, "to_dict"):
        return "; .to_dict() makes a dict of it"
    return ""
