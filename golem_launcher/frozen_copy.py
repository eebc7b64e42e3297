"""Copies of frozen pydantic values with some fields changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

_M = TypeVar("_M", bound=BaseModel)


def changed(value: _M, changes: Mapping[str, object]) -> _M:
    """``value`` with ``changes``. For whoever takes them by name from a caller, whom no type checker holds to them.

    Raises ``KeyError`` for what is no field of it, which pydantic's own copy would take without a word.
    """
    if unknown := changes.keys() - type(value).model_fields.keys():
        raise KeyError(*sorted(unknown))
    return value.model_copy(update=dict(changes))
