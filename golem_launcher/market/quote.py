"""What a request would cost by the offers of now. Pure; prices are at full load, the most that an hour can cost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.market.prices import SECONDS_PER_HOUR
from golem_launcher.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.market.limit_advice import Advice
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.market.scan import Offer, ScannedOffers
    from golem_launcher.request import LaunchRequest

_SHOWN = Decimal("0.000000001")


@dataclass(frozen=True)
class Quote:
    """A request's price at the machines that are taken first. Amounts in ``token``; ``None`` when too few fit."""

    network: str
    token: str
    hours: Decimal
    machines: int
    """How many are wanted, each of another provider; a standby included."""
    fitting: int
    """How many are on offer that fit."""
    providers: tuple[str, ...]
    """Their names, a standby's last; another may be taken in the end, within the budget: these may be busy, or not
    answer in time."""
    per_hour: Decimal | None
    standby_per_hour: Decimal | None
    """How much of that is for a standby; ``None`` where none is asked for, too."""
    start: Decimal | None
    """Once, at the start; with all machines."""
    whole: Decimal | None
    """For the whole time, the start included."""
    budget: Decimal
    """What the session may cost at most, whatever it is quoted."""
    enough: bool
    """Whether the budget pays for the whole time at that price."""
    lasts_hours: float | None
    """For how long it pays; ``None`` where nothing is asked for an hour, or too few machines fit."""
    left_for_last: tuple[str, ...]
    """Which would be cheaper and failed lately, a sentence each."""
    advice: tuple[Advice, ...]
    """When nothing fits: which limits to loosen, and by how much."""

    @property
    def possible(self) -> bool:
        """Whether as many machines as are wanted are on offer."""
        return self.whole is not None


def quote(request: LaunchRequest, found: ScannedOffers) -> Quote:
    """The price of ``request`` at what was ``found`` on the market for it."""
    taken = first_taken(request, found)
    machines = [offer.machine for offer in taken]
    possible = len(machines) == request.machines_paid
    whole = whole_cost(request, machines).quantize(_SHOWN) if possible else None  # offers hold binary fractions
    hours = lasts_at(request.budget, machines) if possible else float("inf")
    return Quote(
        network=request.network,
        token=NETWORKS[request.network].token,
        hours=request.hours,
        machines=request.machines_paid,
        fitting=len(found.fitting),
        providers=tuple(machine.name for machine in machines),
        per_hour=sum((machine.price.per_hour() for machine in machines), Decimal(0)) if possible else None,
        standby_per_hour=machines[-1].price.per_hour() if possible and request.standby else None,
        start=sum((machine.price.start for machine in machines), Decimal(0)) if possible else None,
        whole=whole,
        budget=request.budget,
        enough=whole is not None and whole <= request.budget,
        lasts_hours=None if hours == float("inf") else hours,
        left_for_last=found.left_for_last(taken),
        advice=found.advice,
    )


def seconds_of(request: LaunchRequest) -> float:
    """How long a session is asked for, in seconds."""
    return float(request.hours) * SECONDS_PER_HOUR


def first_taken(request: LaunchRequest, found: ScannedOffers) -> tuple[Offer, ...]:
    """The offers that a session would take first, as many as it wants machines; fewer when fewer fit.

    Where a standby is asked for it is the last, of an owner who has none of the others.
    """
    first = found.fitting[: request.machines_wanted]
    if not request.standby or len(first) < request.machines_wanted:
        return first
    owners = {wallet for offer in first for wallet in offer.machine.wallets}
    others = (one for one in found.fitting[request.machines_wanted :] if owners.isdisjoint(one.machine.wallets))
    return (*first, *itertools.islice(others, request.standby))


def whole_cost(request: LaunchRequest, machines: Sequence[OfferedMachine]) -> Decimal:
    """What these machines cost together for the whole time."""
    return sum((machine.price.at_most(seconds_of(request)) for machine in machines), Decimal(0))


def lasts_at(budget: Decimal, machines: Sequence[OfferedMachine]) -> float:
    """How many hours of these machines together a budget pays for."""
    rate = sum((machine.price.per_hour() for machine in machines), Decimal(0))
    left = max(budget - sum((machine.price.start for machine in machines), Decimal(0)), Decimal(0))
    return float(left / rate) if rate > 0 else float("inf")
