"""Parses offers, whose content can't be trusted, into the machines that we understand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ProviderError
from golem_launcher.market.offered_gpus import GPU_CAPABILITIES, GPU_RUNTIME, offered_gpus
from golem_launcher.market.prices import Price
from golem_launcher.request.fields import NAMES, about
from golem_launcher.untrusted_text import clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from golem_launcher.gpus import OfferedGpu

OFFERED = tuple(name for name in NAMES if about(name).offered)
"""The fields of a request that are compared with one property of offers."""
_PLATFORM = re.compile(r"golem\.com\.payment\.platform\.([a-z0-9-]{1,60})\.address")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
"""Of a node or a wallet: they look alike."""
_COUNTRY = re.compile(r"[A-Za-z]{2}")
"""ISO 3166-1, alpha-2."""
_MOST_WORDS = 64
_LARGEST = 1e9
"""Cores, or GiB: more is nonsense."""


@dataclass(frozen=True)
class OfferedMachine:
    """A machine on offer. Memory in GiB."""

    provider_id: str
    name: str
    """Cleaned: may be shown as text."""
    price: Price
    sizes: Mapping[str, float]
    """How much it has of what requests ask for by a property of offers, by the request's field."""
    cards: tuple[OfferedGpu, ...] = ()
    """Its GPUs, by model."""
    runtime: str = "vm"
    """Cleaned."""
    architecture: str = ""
    """Cleaned; empty where the offer does not say."""
    capabilities: frozenset[str] = frozenset()
    """Of its runtime, cleaned."""
    platforms: tuple[tuple[str, str], ...] = ()
    """Payment platforms it takes, each with the wallet it is paid to."""
    subnet: str = ""
    place: str = ""
    """The country that it says it is in, as two capital letters; empty where the offer does not say."""

    @property
    def cpus(self) -> float:
        """How many threads it has."""
        return self.sizes["cpus"]

    @property
    def memory_gib(self) -> float:
        """The memory that a session gets there, in GiB."""
        return self.sizes["memory_gib"]

    @property
    def disk_gib(self) -> float:
        """The disk that a session gets there, in GiB."""
        return self.sizes["disk_gib"]

    @property
    def size_texts(self) -> tuple[str, str, str]:
        """Threads, memory and disk as tables in a terminal and in Python show them."""
        return f"{self.cpus:g}", f"{self.memory_gib:.1f}", f"{self.disk_gib:.0f}"

    @property
    def gpus(self) -> int:
        """How many GPUs it has, of whatever model."""
        return sum(card.count for card in self.cards)

    @property
    def gpu_model(self) -> str:
        """The model of its GPUs, of the first where they differ; empty where there is none."""
        return self.cards[0].model if self.cards else ""

    @property
    def gpu_memory_gib(self) -> float:
        """The memory of its first GPU, in GiB; zero when it has none."""
        return self.cards[0].memory_gib if self.cards else 0.0

    @property
    def wallets(self) -> frozenset[str]:
        """The wallets it is paid to, in lower case: they identify its operator."""
        return frozenset(wallet.lower() for _, wallet in self.platforms)

    @property
    def reaches_gpus(self) -> bool:
        """Whether its runtime lets programs use a GPU, whatever the offer says that there is."""
        return self.runtime == GPU_RUNTIME or not self.capabilities.isdisjoint(GPU_CAPABILITIES)

    def has_id(self, word: str) -> bool:
        """Whether ``word`` is its id, in letters of any size. Nobody else can have it: the node proves it."""
        return word.strip().casefold() == self.provider_id.casefold()

    def is_allowed_by(self, word: str) -> bool:
        """Whether it is one that a user means who allows ``word``: an address is an id, any other word may be its name.

        Names and wallets are what an offer says: who pins a provider by its id does not mean others that say so too.
        """
        named = not _ADDRESS.fullmatch(word.strip()) and word.strip().casefold() == self.name.casefold()
        return named or self.has_id(word)

    def is_denied_by(self, word: str) -> bool:
        """Whether it is one that a user means who denies ``word``: its id, its name or a wallet of its operator."""
        return self.has_id(word) or word.strip().casefold() in {self.name.casefold(), *self.wallets}


def machines(offers: Iterable[Mapping[str, Any]]) -> list[OfferedMachine]:
    """The machines in a market's scan, one per provider (its cheapest); offers that make no sense are left out."""
    found: dict[str, OfferedMachine] = {}
    for offer in offers:
        properties = offer.get("properties")
        if not isinstance(properties, dict):
            continue
        try:
            machine = machine_of(str(offer.get("providerId")), properties)
        except ProviderError:
            continue
        known = found.get(machine.provider_id)
        if known is None or machine.price.per_hour() < known.price.per_hour():
            found[machine.provider_id] = machine
    return list(found.values())


def machine_of(provider_id: str, properties: Mapping[str, Any]) -> OfferedMachine:
    """The machine of one offer. Raises ``ProviderError`` when its price makes no sense."""
    return OfferedMachine(
        provider_id=provider_id,
        name=clean_name(str(properties.get("golem.node.id.name", ""))),
        price=Price.of_offer(properties),
        sizes={name: _size(properties, about(name).offered) for name in OFFERED},
        cards=offered_gpus(properties),
        runtime=clean_name(str(properties.get("golem.runtime.name", "vm"))),
        architecture=clean_name(str(properties.get("golem.inf.cpu.architecture") or "")).replace("(no name)", ""),
        capabilities=_words(properties.get("golem.runtime.capabilities")),
        platforms=_platforms(properties),
        subnet=clean_name(str(properties.get("golem.node.debug.subnet", ""))),
        place=_place(properties.get("golem.node.geo.country_code")),
    )


def _platforms(properties: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = []
    for key, value in properties.items():
        match = _PLATFORM.fullmatch(str(key))
        if match and isinstance(value, str) and _ADDRESS.fullmatch(value):
            found.append((match[1], value))
    return tuple(sorted(found)[:_MOST_WORDS])


def _place(value: Any) -> str:
    return value.upper() if isinstance(value, str) and _COUNTRY.fullmatch(value) else ""


def _words(value: Any) -> frozenset[str]:
    words = value if isinstance(value, list) else [value]
    return frozenset(clean_name(word) for word in words[:_MOST_WORDS] if isinstance(word, str))


def _size(properties: Mapping[str, Any], key: str) -> float:
    value = properties.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return 0.0
    return float(value)
