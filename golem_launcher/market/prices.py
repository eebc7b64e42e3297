"""Parses and computes an offer's linear price; its content can't be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ProviderError
from golem_launcher.units import with_coin
from golem_launcher.untrusted_text import clean_name

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

# A note may cover what happened after the last report we saw. Providers report each second, bill within a few more.
_UNREPORTED_SECONDS = 20.0
_ROUNDING = Decimal("1.01")
_SAME = Decimal("1.001")
"""Two prices are the same up to this factor: offers hold binary fractions."""
_OVERHEAD_THREADS = Decimal("0.25")
"""What the machine around a VM may take beside its threads. A provider counts the processor time of a whole process
tree: the VM's threads, which never take more than a second a second each, the virtual disks and network card, and the
exe-unit, which carries our files. docs/networks.md derives it."""


@dataclass(frozen=True)
class Price:
    """GLM per second of time, per second of processor time, and once at the start."""

    start: Decimal
    per_second: Decimal
    per_cpu_second: Decimal
    threads: int
    """How many threads the offer has: processor time never grows faster than this many seconds a second."""
    counters: tuple[str, ...]
    """The order of the usage vector as this provider reports it; their names, cleaned."""

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
            raise ProviderError(f"It charges for {clean_name(strange[0])}, which we can't check.")
        threads = properties.get("golem.inf.cpu.threads", properties.get("golem.inf.cpu.cores", 1))
        if not isinstance(threads, int | float) or not 0 < threads <= _MOST_THREADS:
            raise ProviderError("Its number of threads makes no sense.")
        return cls(
            start=rates[-1],
            per_second=by_counter.get(DURATION, Decimal(0)),
            per_cpu_second=by_counter.get(CPU, Decimal(0)),
            threads=math.ceil(threads),
            counters=tuple(clean_name(str(counter)) for counter in vector),
        )

    def at_most(self, seconds: float) -> Decimal:
        """What ``seconds`` of it can cost at most: every thread busy all the time."""
        rate = self.per_second + self.per_cpu_second * self.threads
        return self.start + rate * Decimal(str(max(seconds, 0.0)))

    def ceiling(self, seconds: float) -> Decimal:
        """The most that ``seconds`` of it may be billed for: every thread busy, and what runs the machine as well."""
        rate = self.per_second + self.per_cpu_second * self._busiest
        return self.start + rate * Decimal(str(max(seconds, 0.0)))

    def asks_more_than(self, other: Price) -> bool:
        """Whether any part of it is higher than in ``other``, however low the rest: start, time, threads."""
        hour = float(SECONDS_PER_HOUR)
        ours = (self.start, self.per_second, self.per_cpu_second, self.at_most(hour))
        theirs = (other.start, other.per_second, other.per_cpu_second, other.at_most(hour))
        return any(now > before * _SAME for now, before in zip(ours, theirs, strict=True))

    def in_words(self, coin: str) -> str:
        """All parts of it: ``0.1 GLM at the start, 0.05 GLM an hour and 0.1 GLM an hour of each of 2 threads``."""
        hourly = ((rate * SECONDS_PER_HOUR).quantize(_SHOWN) for rate in (self.per_second, self.per_cpu_second))
        start, hour, cpu_hour = (with_coin(amount, coin) for amount in (self.start, *hourly))
        threads = "its thread" if self.threads == 1 else f"each of {self.threads} threads"
        return f"{start} at the start, {hour} an hour and {cpu_hour} an hour of {threads}"

    def per_hour(self) -> Decimal:
        """GLM an hour at full load, the start fee left out; rounded, because offers hold binary fractions."""
        return (self.at_most(SECONDS_PER_HOUR) - self.start).quantize(_SHOWN)

    def reported(self, usage: Sequence[float] | None) -> tuple[float, ...] | None:
        """A usage vector as reported; ``None`` when there is none, or it makes no sense."""
        if usage is None or len(usage) != len(self.counters):
            return None
        return tuple(usage) if all(math.isfinite(used) and used >= 0 for used in usage) else None

    def cost(self, usage: Sequence[float], seconds: float, *, age: float = 0.0) -> Decimal:
        """What the reported ``usage`` costs, each counter held to what ``seconds`` of our own clock allow.

        For the ``age`` seconds since the report, full load is reckoned.
        """
        limits = {DURATION: (self.per_second, Decimal(1)), CPU: (self.per_cpu_second, self._busiest)}
        total, most, since = self.start, Decimal(str(max(seconds, 0.0))), Decimal(str(max(age, 0.0)))
        for counter, used in zip(self.counters, usage, strict=False):
            if counter in limits:
                rate, fastest = limits[counter]
                total += rate * min(Decimal(str(used)) + since * fastest, most * fastest)
        return total.quantize(_CENT)

    def acceptable(self, usage: Sequence[float] | None, seconds: float, *, age: float = 0.0) -> Decimal:
        """The most that a bill may be after ``seconds`` by our clock, ``usage`` being the last report (or none).

        The report is ``age`` seconds old: what happened since may be billed as well, and a little more.
        """
        seconds += _UNREPORTED_SECONDS
        if usage is None:
            return self.ceiling(seconds) * _ROUNDING
        return self.cost(usage, seconds, age=age + _UNREPORTED_SECONDS) * _ROUNDING

    @property
    def _busiest(self) -> Decimal:
        """How many seconds of processor time a second can have."""
        return self.threads + _OVERHEAD_THREADS


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_GLM:
        raise ProviderError("Its price is malformed.")
    return Decimal(str(value))
