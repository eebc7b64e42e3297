"""Scans the market for a request: what fits, what it costs, and why the rest does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.market import history
from golem_launcher.market.constraint import condition
from golem_launcher.market.limit_advice import Advice, loosen, why_not
from golem_launcher.market.offer_order import core_speed, cost, worth
from golem_launcher.market.offered_machine import OfferedMachine, machines
from golem_launcher.node.requestor_api import YagnaRest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from golem_launcher.node.node import Node
    from golem_launcher.request import LaunchRequest


@dataclass(frozen=True)
class Offer:
    """A machine as one request sees it. Amounts in the network's token, at full load."""

    machine: OfferedMachine
    per_hour: Decimal
    """For an hour of this machine, its start fee left out."""
    start: Decimal
    """Once, at the start."""
    whole: Decimal
    """For the whole time asked for, the start fee included."""
    why: tuple[str, ...]
    """Why it is not taken; empty when it fits."""
    note: str = ""
    """Why others are taken before it: it failed of late."""
    speed: float | None = None
    """Of one core when the machine was measured last, with a usual core of a server as 1."""


@dataclass(frozen=True)
class ScannedOffers:
    """What the market has for a request: what fits in the order in which it is taken, else the cheapest first."""

    fitting: tuple[Offer, ...]
    others: tuple[Offer, ...]
    advice: tuple[Advice, ...]
    """When nothing fits: which limits to loosen, and by how much."""

    def left_for_last(self, taken: Sequence[Offer]) -> tuple[str, ...]:
        """Those that would be cheaper than what is ``taken`` first and failed of late, a sentence each."""
        if not taken:
            return ()
        dearest = max(offer.whole for offer in taken)
        return tuple(
            f"{offer.machine.name} is cheaper and failed lately: it is left for last."
            for offer in self.fitting
            if offer.note and offer.whole < dearest and offer not in taken
        )


async def offers_for(
    request: LaunchRequest, node: Node, *, subnet: str, held: Mapping[str, str], seconds: float = 2.0
) -> ScannedOffers:
    """What is on offer now, as far as ``node`` learns of it within ``seconds``; ``held`` as with :func:`judged`.

    Raises ``NodeUnreachable`` and ``NodeRefused``.
    """
    return judged(request, machines(await scan(node, subnet=subnet, seconds=seconds)), history.read(), held)


def judged(
    request: LaunchRequest,
    found: Iterable[OfferedMachine],
    known: Mapping[str, history.ProviderRecord],
    held: Mapping[str, str],
) -> ScannedOffers:
    """Tell machines that fit a request from others, with reasons.

    ``known`` is what we remember of providers; ``held`` are the user's own sessions, by the ids of the providers whose
    machines they have. A provider's offer stays in the market while somebody has its machine.
    """
    found = list(found)
    offers = sorted(
        (_offer(request, one, known.get(one.provider_id), held.get(one.provider_id)) for one in found),
        key=lambda offer: offer.whole,
    )
    fitting = tuple(
        sorted(
            (offer for offer in offers if not offer.why),
            key=lambda offer: worth(request, offer.machine, known.get(offer.machine.provider_id)),
            reverse=True,
        )
    )
    advice = (
        () if fitting else tuple(loosen(request, [machine for machine in found if machine.provider_id not in held]))
    )
    return ScannedOffers(fitting, tuple(offer for offer in offers if offer.why), advice)


async def scan(node: Node, *, subnet: str, seconds: float) -> list[dict[str, Any]]:
    """Ask a node for the offers in a subnet; have it listen to the market first when it knows of none."""
    constraints = condition("golem.node.debug.subnet", "=", subnet)
    async with YagnaRest.open(node) as rest:
        found = await rest.offers(constraints, seconds=seconds)
        if not found:
            await rest.listen_to_offers()
            found = await rest.offers(constraints, seconds=seconds)
        return found


def _offer(
    request: LaunchRequest, machine: OfferedMachine, record: history.ProviderRecord | None, holder: str | None
) -> Offer:
    price = machine.price
    pinned = any(map(machine.has_id, request.allow))  # by its id: its past is forgiven, as sessions do
    past = record.avoided() if record and not pinned else ""
    return Offer(
        machine=machine,
        per_hour=price.per_hour(),
        start=price.start,
        whole=cost(request, machine),
        why=(
            *((f"your own session '{holder}' has it",) if holder else ()),
            *why_not(request, machine),
            *((f"avoided: {past}",) if past else ()),
        ),
        note=record.failed_lately() if record else "",
        speed=core_speed(record),
    )
