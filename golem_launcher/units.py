"""How numbers are written for people, by page, commands, log and notifications alike."""

from __future__ import annotations

from decimal import Decimal

_TINY = Decimal("0.000001")
_GLANCE = 3
_SIZES = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000
_WITH_TENTHS = 2
"""From here on: kilobytes are told whole."""


def counted(number: int, one: str, several: str = "") -> str:
    """``1 file``, ``2,345 files``; ``several`` is for what takes more than an s: ``1 file is``, ``2 files are``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def number(value: Decimal | float) -> str:
    """A number as a person writes it: all its digits, no needless zeros, no exponent."""
    return f"{Decimal(str(value)).normalize():f}"


def coins(amount: Decimal | None) -> str:
    """An amount of money: at most six decimals (more when it is tiny), no needless zeros; ``None`` is not known."""
    if amount is None:
        return "unknown"
    digits = 6 if amount == 0 or abs(amount) >= _TINY else 18
    return f"{amount:.{digits}f}".rstrip("0").rstrip(".") or "0"


def coins_at_a_glance(amount: Decimal) -> str:
    """An amount with the three digits that count."""
    if amount == 0:
        return "0"
    places = max(0, _GLANCE - 1 - amount.adjusted())
    return number(round(amount, min(places, 18)))


def data_size(size: float) -> str:
    """``12 bytes``, ``320 kB``, ``3.4 MB``: units of a thousand, as disks and downloads are told."""
    unit = 0
    while size >= _THOUSAND and unit < len(_SIZES) - 1:
        size /= _THOUSAND
        unit += 1
    return f"{size:.0f} {_SIZES[unit]}" if unit < _WITH_TENTHS else f"{size:,.1f} {_SIZES[unit]}"
