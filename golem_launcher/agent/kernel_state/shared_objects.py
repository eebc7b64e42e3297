"""Finds which variables share objects, so that those are kept together and share them again when they come back."""

from __future__ import annotations

import gc
import types
import weakref
from typing import TYPE_CHECKING, Any

from . import functions, tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_OF_ONE, _MOST = 200_000, 1_000_000
"""Objects that are looked at, of one variable and of all. Those of which not all was seen count as sharing."""
_ALONE = (
    type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.FrameType,
    types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.TracebackType, weakref.ref,
)  # fmt: skip
"""Kept by name, or not at all: nothing is shared by them."""
_PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range})
"""Nobody can tell one such value from another that is equal."""
_SIZED = (list, tuple, dict, set, frozenset)


def groups(variables: Mapping[str, Any], apart: Iterable[object] = ()) -> list[list[str]]:
    """The names, those that share objects together, in their order. ``apart``: objects that make nobody share."""
    joined = _Joined(variables)
    owners: dict[int, str] = {}
    passed = {id(each) for each in apart}
    tensor = tensors.kind()
    seen, unseen = 0, ""

    for name, value in variables.items():
        waiting, most = [value], min(_MOST, seen + _MOST_OF_ONE)
        while waiting:
            one = waiting.pop()
            if id(one) in passed or not is_looked_into(one):
                continue
            if id(one) in owners:
                joined.join(name, owners[id(one)])
                continue
            owners[id(one)] = name
            storage = tensors.storage_of(one) if isinstance(one, tensor) else None
            if storage is not None:  # which views share, and know nothing of each other
                joined.join(name, owners.setdefault(tensors.key(storage), name))
            seen += 1 + size_of(one)
            if seen > most:
                unseen = unseen or name
                joined.join(name, unseen)
                seen = most
                break
            waiting += held_by(one)
    return joined.groups()


def is_looked_into(value: object) -> bool:
    """Whether it is kept with what it holds, and not by name, as a plain value, or not at all."""
    if type(value) in _PLAIN or isinstance(value, _ALONE):
        return False
    return not (isinstance(value, types.FunctionType) and functions.has_name(value))


def held_by(value: object) -> list[Any]:
    """What is kept with it."""
    if isinstance(value, types.FunctionType):
        return functions.held_by(value)
    return gc.get_referents(value) if gc.is_tracked(value) else []


def size_of(value: Any) -> int:
    """How many others it holds, where it is one of Python's own containers."""
    return len(value) if type(value) in _SIZED else 0


class _Joined:
    """Names, in sets that are joined step by step."""

    def __init__(self, names: Iterable[str]) -> None:
        self._above = {name: name for name in names}

    def join(self, name: str, other: str) -> None:
        self._above[self._top(name)] = self._top(other)

    def groups(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._above:
            found.setdefault(self._top(name), []).append(name)
        return list(found.values())

    def _top(self, name: str) -> str:
        while self._above[name] != name:
            self._above[name] = self._above[self._above[name]]
            name = self._above[name]
        return name
