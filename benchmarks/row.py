"""One line of the table: what was measured, what is asked of it, and the verdict that follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measurement. Without ``least`` and ``aim`` it is there to be known, and has no verdict."""

    what: str
    measured: float
    unit: str
    least: float | None = None
    aim: float | None = None
    more_is_better: bool = False
    detail: str = ""
    """The numbers that the measurement is made of."""

    @property
    def verdict(self) -> str:
        if self.least is None or self.aim is None:
            return ""
        if self._reaches(self.aim):
            return "aim met"
        return "met" if self._reaches(self.least) else "missed"

    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            self._limit(self.least),
            self._limit(self.aim),
            _number(self.measured, self.unit),
            self.verdict,
            self.detail,
        )

    def _reaches(self, limit: float) -> bool:
        return self.measured >= limit if self.more_is_better else self.measured <= limit

    def _limit(self, limit: float | None) -> str:
        if limit is None:
            return ""
        return f"{'≥' if self.more_is_better else '≤'} {_number(limit, self.unit)}"


HEAD = ("what", "at least", "aim", "measured", "verdict", "made of")


def _number(value: float, unit: str) -> str:
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
