"""Which models of GPUs are on offer, for whoever is about to choose one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.market.limit_advice import unsuited

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from golem_launcher.gpus import OfferedGpu
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.request import LaunchRequest


@dataclass(frozen=True)
class GpuModel:
    """One model with what it has, and the machines that have it."""

    model: str
    memory_gib: float
    compute_capability: str
    machines: int
    most: int
    """How many of them the machine has that has the most."""
    per_hour: Decimal
    """What the cheapest of these machines asks for an hour at full load, in the network's coin."""


def gpu_models(request: LaunchRequest, found: Iterable[OfferedMachine]) -> list[GpuModel]:
    """The models that a session of ``request`` could use if it asked for one, the cheapest first."""
    wanting = request.model_copy(update={"gpus": max(1, request.gpus)})
    machines: dict[tuple[str, float, str], list[tuple[OfferedGpu, OfferedMachine]]] = {}
    for machine in found:
        for card in machine.cards if not unsuited(wanting, machine) else ():
            kind = card.model, round(card.memory_gib, 1), card.compute_capability
            machines.setdefault(kind, []).append((card, machine))
    models = [
        GpuModel(
            *kind,
            machines=len(having),
            most=max(card.count for card, _ in having),
            per_hour=min(machine.price.per_hour() for _, machine in having),
        )
        for kind, having in machines.items()
    ]
    return sorted(models, key=lambda one: (one.per_hour, one.model))
