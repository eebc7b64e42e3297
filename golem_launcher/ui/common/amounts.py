"""Money as the page says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.request.yaml import number

if TYPE_CHECKING:
    from decimal import Decimal

_DIGITS = 3


def glm(amount: Decimal) -> str:
    """An amount as one reads it at a glance: three digits that count."""
    if amount == 0:
        return "0"
    places = max(0, _DIGITS - 1 - amount.adjusted())
    return number(round(amount, min(places, 18)))
