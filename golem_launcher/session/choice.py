"""Which offers a session takes: what it needs, what it can pay, whom it has tried before. Knows nothing of yapapi."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import BudgetError, LauncherError, MarketError, ProviderError
from golem_launcher.market.prices import SECONDS_PER_HOUR, Price, glm
from golem_launcher.text import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.request import LaunchRequest

SHORTEST_USEFUL_SECONDS = 300
"""A budget must pay for at least this long (or the whole time asked for, when that is shorter)."""


@dataclass
class Choice:
    """Judges offers for one request and remembers why it refused them."""

    request: LaunchRequest
    excluded: dict[str, str] = field(default_factory=dict)
    """Providers not to ask again, with the reason."""
    too_dear: dict[str, Price] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def useful_seconds(self) -> float:
        """How long the budget must last at the least."""
        return min(float(self.request.hours) * SECONDS_PER_HOUR, SHORTEST_USEFUL_SECONDS)

    @property
    def all_refused(self) -> bool:
        """Whether there were offers and none of them will do."""
        return bool(self.seen) and self.seen <= self.excluded.keys() | self.too_dear.keys() | self.unfit.keys()

    def score(self, provider_id: str, properties: Mapping[str, Any]) -> float | None:
        """How good an offer is (the higher the better, never negative), or ``None`` to refuse it."""
        self.seen.add(provider_id)
        if provider_id in self.excluded:
            return None
        try:
            price = Price.of_offer(properties)
        except ProviderError as error:
            self.unfit[provider_id] = error.what
            return None
        if price.at_most(self.useful_seconds) > self.request.budget:
            self.too_dear[provider_id] = price
            return None
        hours = float(self.request.hours) * SECONDS_PER_HOUR
        return float(1 / (Decimal("0.01") + price.at_most(hours)))

    def fits(self, offer: Mapping[str, Any]) -> bool:
        """Whether an offer of a market scan is large enough."""
        has = offers_at_most([dict(offer)])
        request = self.request
        return (
            has.get("cores", 0) >= request.cpus
            and has.get("memory", 0) >= request.memory_gib
            and has.get("disk", 0) >= request.disk_gib
        )

    def exclude(self, provider_id: str, name: str, reason: str) -> None:
        """Never take this provider again in this session."""
        self.excluded[provider_id] = f"{clean_name(name)}: {reason}"

    def failure(self, largest: Mapping[str, Any] | None = None) -> LauncherError:
        """Why no provider was found, by what was seen. ``largest`` is what the market has at most, when it is known."""
        if self.too_dear and not self.excluded:
            return self._budget_error()
        if self.excluded:
            reasons = "; ".join(list(self.excluded.values())[:3])
            return MarketError(f"No provider could run the session ({reasons}).", "Try again, or ask for less.")
        if self.unfit:
            return MarketError(f"No offer fits: {next(iter(self.unfit.values()))}", "Try another network.")
        return MarketError(
            f"No offer fits: nobody offers {limits(self.request)} on '{self.request.network}'{_most(largest)}.",
            "Ask for less, or try again later.",
        )

    def _budget_error(self) -> BudgetError:
        price = min(self.too_dear.values(), key=lambda price: price.at_most(self.useful_seconds))
        needed = price.at_most(self.useful_seconds)
        minutes = self.useful_seconds / 60
        return BudgetError(
            f"The budget of {glm(self.request.budget)} is too small: the cheapest offer costs {glm(price.start)} to "
            f"start and up to {glm(price.per_hour())} an hour.",
            f"Allow at least {glm(needed)}, which pays for {minutes:.0f} minutes." if minutes >= 1 else
            f"Allow at least {glm(needed)}.",
        )  # fmt: skip


def limits(request: LaunchRequest) -> str:
    """The limits of a request in words."""
    cores = "core" if request.cpus == 1 else "cores"
    return f"{request.cpus} {cores}, {request.memory_gib:g} GiB of memory and {request.disk_gib:g} GiB of disk"


def offers_at_most(offers: list[dict[str, Any]]) -> dict[str, float]:
    """The most that any single one of these offers has, by resource."""
    keys = {"cores": "golem.inf.cpu.threads", "memory": "golem.inf.mem.gib", "disk": "golem.inf.storage.gib"}
    most: dict[str, float] = {}
    for offer in offers:
        properties = offer.get("properties")
        for name, key in keys.items():
            value = properties.get(key) if isinstance(properties, dict) else None
            if isinstance(value, int | float) and not isinstance(value, bool):
                most[name] = max(most.get(name, 0.0), float(value))
    return most


def _most(largest: Mapping[str, Any] | None) -> str:
    if not largest:
        return ""
    return (
        f" (the most offered is {largest.get('cores', 0):g} cores, {largest.get('memory', 0):g} GiB of memory, "
        f"{largest.get('disk', 0):g} GiB of disk)"
    )
