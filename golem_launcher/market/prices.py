"""What an offer costs: the linear price of the market, read from an offer that may say anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DURATION = "golem.usage.duration_sec"
CPU = "golem.usage.cpu_sec"

SECONDS_PER_HOUR = 3600
_MOST_THREADS = 4096
_MOST_GLM = 10**9
"""All there is."""
_SHOWN = Decimal("0.000000001")
_CENT = Decimal("0.000000000000000001")  # yagna's smallest amount, 1e-18 GLM

# A note may cover usage that happened after the last report we saw. Providers report every 5 s, bill within a few more.
_UNREPORTED_SECONDS = 20.0
_ROUNDING = Decimal("1.01")


@dataclass(frozen=True)
class Price:
    """GLM per second of time, per second of processor time, and once at the start."""

    start: Decimal
    per_second: Decimal
    per_cpu_second: Decimal
    threads: int
    """How many threads the offer has: processor time never grows faster than this many seconds a second."""
    counters: tuple[str, ...]
    """The order of the usage vector as this provider reports it."""

    @classmethod
    def of_offer(cls, properties: Mapping[str, Any]) -> Price:
        """The price in an offer's properties; ``ProviderError`` when it is not one that we understand."""
        if properties.get("golem.com.pricing.model") != "linear":
            raise ProviderError("Its price is not linear.")
        vector = properties.get("golem.com.usage.vector")
        coefficients = properties.get("golem.com.pricing.model.linear.coeffs")
        if not isinstance(vector, list) or not isinstance(coefficients, list) or len(coefficients) != len(vector) + 1:
            raise ProviderError("Its price is malformed.")
        if len(set(map(str, vector))) < len(vector):
            raise ProviderError("It charges for the same thing twice.")
        rates = [_amount(value) for value in coefficients]
        by_counter = {str(counter): rate for counter, rate in zip(vector, rates, strict=False)}
        strange = [counter for counter, rate in by_counter.items() if counter not in {DURATION, CPU} and rate]
        if strange:
            raise ProviderError(f"It charges for {strange[0]}, which we can't check.")
        threads = properties.get("golem.inf.cpu.threads", properties.get("golem.inf.cpu.cores", 1))
        if not isinstance(threads, int | float) or not 0 < threads <= _MOST_THREADS:
            raise ProviderError("Its number of threads makes no sense.")
        return cls(
            start=rates[-1],
            per_second=by_counter.get(DURATION, Decimal(0)),
            per_cpu_second=by_counter.get(CPU, Decimal(0)),
            threads=math.ceil(threads),
            counters=tuple(str(counter) for counter in vector),
        )

    def at_most(self, seconds: float) -> Decimal:
        """What ``seconds`` of it can cost at most: every thread busy all the time."""
        rate = self.per_second + self.per_cpu_second * self.threads
        return self.start + rate * Decimal(str(max(seconds, 0.0)))

    def per_hour(self) -> Decimal:
        """GLM an hour at full load, the start fee left out; rounded, because offers hold binary fractions."""
        return (self.at_most(SECONDS_PER_HOUR) - self.start).quantize(_SHOWN)

    def cost(self, usage: Sequence[float], seconds: float) -> Decimal:
        """What the reported ``usage`` costs, each counter held to what ``seconds`` of our own clock allow."""
        return self._cost(usage, seconds, slack=0.0)

    def acceptable(self, usage: Sequence[float] | None, seconds: float) -> Decimal:
        """The most that a bill may be after ``seconds`` by our clock, ``usage`` being the last report (or none)."""
        if usage is None:
            return self.at_most(seconds + _UNREPORTED_SECONDS) * _ROUNDING
        return self._cost(usage, seconds + _UNREPORTED_SECONDS, slack=_UNREPORTED_SECONDS) * _ROUNDING

    def _cost(self, usage: Sequence[float], seconds: float, slack: float) -> Decimal:
        limits = {DURATION: (self.per_second, seconds, slack)}
        limits[CPU] = (self.per_cpu_second, seconds * self.threads, slack * self.threads)
        total = self.start
        for counter, used in zip(self.counters, usage, strict=False):
            if counter in limits and math.isfinite(used):
                rate, most, extra = limits[counter]
                total += rate * Decimal(str(min(max(used, 0.0) + extra, most)))
        return total.quantize(_CENT)


def glm(amount: Decimal) -> str:
    """An amount as people read it: at most six decimals (more when it is tiny), no needless zeros."""
    digits = 6 if amount == 0 or abs(amount) >= Decimal("0.000001") else 18
    text = f"{amount:.{digits}f}".rstrip("0").rstrip(".")
    return f"{text or '0'} GLM"


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_GLM:
        raise ProviderError("Its price is malformed.")
    return Decimal(str(value))
