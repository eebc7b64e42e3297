"""Pickles objects whose class extends ``list`` or ``dict`` and overrides how items are added.

pickle adds the items before it sets the attributes, and such a method may need those. So here the attributes are set
first, and the items are then added by the methods of ``list`` and ``dict`` themselves. Called by the kernel's pickler.
"""

from __future__ import annotations

import copyreg
from typing import Any

_FILLS: dict[type, tuple[str, ...]] = {list: ("append", "extend"), dict: ("__setitem__",)}
_PICKLES = ("__reduce_ex__", "__reduce__")
_OWN = ("__setstate__", "__getnewargs__", "__getnewargs_ex__", "__slots__")


def does_more(kind: type) -> bool:
    """Whether objects of this class are such, and leave to pickle what is kept of them."""
    if any(hasattr(kind, name) for name in _OWN) or not _has_of(object, kind, _PICKLES):
        return False
    return any(issubclass(kind, base) and not _has_of(base, kind, names) for base, names in _FILLS.items())


def _has_of(base: type, kind: type, names: tuple[str, ...]) -> bool:
    return all(getattr(kind, name) is getattr(base, name) for name in names)


def reduced(container: Any) -> tuple[Any, ...]:
    """What pickle is told of one of a class that :func:`does_more`."""
    held = dict(dict.items(container)) if isinstance(container, dict) else [*list.__iter__(container)]
    return copyreg.__newobj__, (type(container),), (vars(container), held), None, None, fill  # type: ignore[attr-defined]


def fill(container: Any, state: tuple[dict[str, Any], Any]) -> None:
    """Called by pickle where it comes back."""
    attributes, held = state
    vars(container).update(attributes)
    if isinstance(container, dict):
        dict.update(container, held)
    else:
        list.extend(container, held)
