"""What the market offers, read from offers that may say anything: one machine per offer that we understand."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ProviderError
from golem_launcher.session.prices import Price
from golem_launcher.text import clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CARD = re.compile(r"golem\.!exp\.gap-35\.v1\.inf\.gpu\.(d\d{1,2})\.(model|quantity|memory\.total\.gib)")
_MOST_CARDS = 64


@dataclass(frozen=True)
class Machine:
    """A machine on offer. Memory and disk in GiB."""

    provider_id: str
    name: str
    """Cleaned: may be shown as text."""
    price: Price
    cpus: float
    memory_gib: float
    disk_gib: float
    gpus: int
    gpu_model: str
    """Cleaned; empty where there is none."""
    gpu_memory_gib: float


def machines(offers: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """The machines in a market's scan, one per provider (its cheapest); offers that make no sense are left out."""
    found: dict[str, Machine] = {}
    for offer in offers:
        properties = offer.get("properties")
        if not isinstance(properties, dict):
            continue
        try:
            machine = _machine(str(offer.get("providerId")), properties)
        except ProviderError:
            continue
        known = found.get(machine.provider_id)
        if known is None or machine.price.per_hour() < known.price.per_hour():
            found[machine.provider_id] = machine
    return list(found.values())


def _machine(provider_id: str, properties: Mapping[str, Any]) -> Machine:
    cards: dict[str, dict[str, Any]] = {}
    for key, value in properties.items():
        if match := _CARD.fullmatch(str(key)):
            cards.setdefault(match[1], {})[match[2]] = value
    first = cards[min(cards)] if cards else {}
    return Machine(
        provider_id=provider_id,
        name=clean_name(str(properties.get("golem.node.id.name", ""))),
        price=Price.of_offer(properties),
        cpus=_size(properties, "golem.inf.cpu.threads"),
        memory_gib=_size(properties, "golem.inf.mem.gib"),
        disk_gib=_size(properties, "golem.inf.storage.gib"),
        gpus=min(_MOST_CARDS, sum(max(1, int(_size(card, "quantity"))) for card in cards.values())),
        gpu_model=clean_name(str(first.get("model", ""))) if first else "",
        gpu_memory_gib=_size(first, "memory.total.gib"),
    )


def _size(properties: Mapping[str, Any], key: str) -> float:
    value = properties.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return 0.0
    return float(value)
