"""Looks at the live market: what is on offer for a request, what it costs, and why the rest does not fit.

A scan of yagna's gives whole offers without a negotiation. A node listens to offers from its first demand on and not
before, so one that nobody can meet is published for a moment when a node answers with nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeRefused
from golem_launcher.market import history
from golem_launcher.market.constraint import condition, every
from golem_launcher.market.limits import Advice, loosen, why_not
from golem_launcher.market.offered_machine import OfferedMachine, machines
from golem_launcher.market.prices import SECONDS_PER_HOUR
from golem_launcher.node.rest import NodeRest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from golem_launcher.node.node import Node
    from golem_launcher.request import LaunchRequest

_NOBODY = every(condition("golem.node.id.name", "=", "nobody"), condition("golem.inf.mem.gib", "<", 0))
_MOST_OFFERS = 1000
_LIVES_SECONDS = 60


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


@dataclass(frozen=True)
class Offers:
    """What the market has for a request, the cheapest first."""

    fitting: tuple[Offer, ...]
    others: tuple[Offer, ...]
    advice: tuple[Advice, ...]
    """When nothing fits: which limits to loosen, and by how much."""


async def offers_for(request: LaunchRequest, node: Node, *, subnet: str, seconds: float = 2.0) -> Offers:
    """What is on offer now, as far as ``node`` learns of it within ``seconds``.

    Raises ``NodeUnreachable`` and ``NodeRefused``.
    """
    return judged(request, machines(await scan(node, subnet=subnet, seconds=seconds)), history.read())


def judged(request: LaunchRequest, found: Iterable[OfferedMachine], known: Mapping[str, history.Record]) -> Offers:
    """What these machines are to a request; ``known`` is what we remember of providers."""
    found = list(found)
    offers = sorted(
        (_offer(request, machine, known.get(machine.provider_id)) for machine in found), key=lambda offer: offer.whole
    )
    fitting = tuple(offer for offer in offers if not offer.why)
    advice = () if fitting else tuple(loosen(request, found))
    return Offers(fitting, tuple(offer for offer in offers if offer.why), advice)


async def scan(node: Node, *, subnet: str, seconds: float) -> list[dict[str, Any]]:
    """The offers in a subnet, whole, as far as they are known within ``seconds``."""
    import aiohttp  # noqa: PLC0415 - a quarter of a second that other commands should not pay

    async with aiohttp.ClientSession() as http:
        rest = NodeRest(http, node.api_url, node.app_key)
        constraints = condition("golem.node.debug.subnet", "=", subnet)
        found = await _scan_once(rest, constraints, seconds)
        if not found:
            await _listen(rest)
            found = await _scan_once(rest, constraints, seconds)
        return found


async def _scan_once(rest: NodeRest, constraints: str, seconds: float) -> list[dict[str, Any]]:
    """Poll a scan until nothing new comes, or the time is over."""
    body = {"type": "offer", "constraints": constraints, "timeout": _LIVES_SECONDS}
    name = str(await rest.call("POST", "/market-api/v1/scan", data=json.dumps(body)))
    found: list[dict[str, Any]] = []
    end = asyncio.get_running_loop().time() + seconds
    try:
        while len(found) < _MOST_OFFERS and (left := end - asyncio.get_running_loop().time()) > 0:
            query = {"timeout": f"{left if not found else min(left, 0.3):.1f}", "maxEvents": "200"}
            more = await rest.call("GET", f"/market-api/v1/scan/{name}/events", query=query, seconds=seconds + 5)
            if not isinstance(more, list) or not more:
                break
            found += [offer for offer in more if isinstance(offer, dict)]
    finally:
        with contextlib.suppress(NodeRefused):
            await rest.call("DELETE", f"/market-api/v1/scan/{name}")
    return found


async def _listen(rest: NodeRest) -> None:
    """Have the node listen to offers."""
    demand = json.dumps({"properties": {}, "constraints": _NOBODY})
    name = str(await rest.call("POST", "/market-api/v1/demands", data=demand))
    await rest.call("DELETE", f"/market-api/v1/demands/{name}")


def _offer(request: LaunchRequest, machine: OfferedMachine, record: history.Record | None) -> Offer:
    price = machine.price
    past = record.avoided() if record else ""
    return Offer(
        machine=machine,
        per_hour=price.per_hour(),
        start=price.start,
        whole=price.at_most(float(request.hours) * SECONDS_PER_HOUR),
        why=(*why_not(request, machine), *((f"avoided: {past}",) if past else ())),
        note=record.failed_lately() if record else "",
    )
