"""How numbers are written for people, by page, commands, log and notifications alike."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import floor

_TINY = Decimal("0.000001")
_GLANCE = 3
_NONE_HAS = 15
"""Digits of an amount that nobody has, in any coin."""
_SIZES = (("KiB", 0), ("MiB", 1), ("GiB", 1), ("TiB", 1))
"""Units of 1024, as Golem's market has them, each with the decimals that are told."""
_STEP = 1024
_SECONDS_BELOW = 89.5
_HOURS_BELOW = 100


def counted(number: int, one: str, several: str = "") -> str:
    """``1 file``, ``2,345 files``; ``several`` is for what takes more than an s: ``1 file is``, ``2 files are``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def number(value: Decimal | float) -> str:
    """A number as a person writes it: all its digits, no needless zeros, no exponent."""
    return f"{Decimal(str(value)).normalize():f}"


def coins(amount: Decimal | None) -> str:
    """An amount of money: at most six decimals (more when it is tiny), no needless zeros; ``None`` is not known.

    What is more than there can be, in a bill of a stranger's, is told by its first digits: ``1.5E+400``.
    """
    if amount is None:
        return "unknown"
    if amount and amount.adjusted() >= _NONE_HAS:
        return f"{amount:.2E}"
    digits = 6 if amount == 0 or abs(amount) >= _TINY else 18
    return f"{amount:.{digits}f}".rstrip("0").rstrip(".") or "0"


def with_coin(amount: Decimal | None, coin: str) -> str:
    """An amount as people read it: ``0.25 tGLM``. The coin is the network's, see ``networks.token_of``."""
    return f"{coins(amount)} {coin}" if amount is not None else coins(amount)


def coins_at_a_glance(amount: Decimal) -> str:
    """An amount with the three digits that count."""
    if amount == 0:
        return "0"
    places = max(0, _GLANCE - 1 - amount.adjusted())
    return number(amount.quantize(Decimal(1).scaleb(-min(places, 18)), ROUND_HALF_UP))


def data_size(size: float) -> str:
    """``12 bytes``, ``320 KiB``, ``3.4 MiB``: in the units in which memory and disk are asked for."""
    told = _rounded(size, 0)
    if told < _STEP:
        return counted(int(told), "byte")
    words = ""
    for unit, decimals in _SIZES:
        size /= _STEP
        told = _rounded(size, decimals)
        words = f"{told:,.{decimals}f} {unit}"
        if told < _STEP:
            break
    return words


def data_size_of(done: float, total: float) -> str:
    """``12.0 of 86.0 MiB``: both in the unit of the whole."""
    words = data_size(total)
    for power, (unit, decimals) in enumerate(_SIZES, start=1):
        if words.endswith(f" {unit}"):
            return f"{_rounded(done / _STEP**power, decimals):,.{decimals}f} of {words}"
    return f"{_rounded(done, 0):.0f} of {words}"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``2.5 h``, ``4 days``: a length of time in the one unit that matters."""
    if seconds < _SECONDS_BELOW:
        return f"{_rounded(seconds, 0):.0f} s"
    minutes = _rounded(seconds / 60, 0)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes:.0f} min"
    hours = seconds / 3600
    if hours < _HOURS_BELOW:
        return f"{number(_rounded(hours, 2))} h"
    return f"{_rounded(hours / 24, 0):,.0f} days"


def _rounded(value: float, decimals: int) -> float:
    """Halves upwards, as the page's scripts do it."""
    scale = float(10**decimals)
    return floor(value * scale + 0.5) / scale
