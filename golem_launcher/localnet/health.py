"""Checks a local network from outside: rents a provider for a moment, as any requestor does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from golem_launcher import networks
from golem_launcher.errors import LocalNetError, NodeError
from golem_launcher.localnet.negotiation import CHOSEN_PLATFORM, EXPIRATION
from golem_launcher.node.rest_client import NodeRest, timestamp
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from golem_launcher.localnet.state import LocalNetwork

_PATIENCE = 20.0
_ACTIVITY_SECONDS = 15.0
_ANSWER_SECONDS = 30.0
_LASTS = timedelta(minutes=10)
_REMEDY = "Start it again: golem-launcher localnet down, then golem-launcher localnet up"


def check(network: LocalNetwork) -> str:
    """Rent a provider of the network for a moment. Blocking, some seconds. What was tried, in a sentence.

    :class:`LocalNetError` says which step failed. Where all providers are busy nothing is tried.
    """
    free = [provider for provider in network.providers if provider["state"] == "free"]
    if not free:
        return "All of its providers are busy, so none was tried."
    asyncio.run(_check(network, str(free[0]["node_id"])))
    return f"{free[0]['name']} was rented for a moment, and works."


async def _check(network: LocalNetwork, node_id: str) -> None:
    async with NodeRest.open(network.node, seconds=_ANSWER_SECONDS) as rest:
        visitor = _Visitor(rest, network)
        try:
            proposal = await _step("negotiation", visitor.negotiate(node_id))
            agreement = await _step("agreement", visitor.agree(proposal))
            activity = await _step("activity", visitor.activity(agreement))
            await _step("end of the activity", visitor.rest.delete(f"/activity-api/v1/activity/{activity}"))
        finally:
            await visitor.aclose()


async def _step(name: str, work: Awaitable[Any]) -> str:
    try:
        return str(await wait_for(work, _PATIENCE))
    except (TimeoutError, NodeError) as error:
        why = f": {error.what}" if isinstance(error, NodeError) else f", within {_PATIENCE:.0f} s."
        raise LocalNetError(f"The local network does not work: there was no {name}{why}", _REMEDY) from error


@dataclass
class _Visitor:
    """A requestor of one agreement."""

    rest: NodeRest
    network: LocalNetwork
    demand: str = ""
    agreement: str = ""

    async def negotiate(self, node_id: str) -> str:
        """A proposal of the provider that may be agreed to."""
        platform = networks.platform_of(str(self.network.state["payment_network"]))
        properties = {
            EXPIRATION: int((time.time() + _LASTS.total_seconds()) * 1000),
            "golem.srv.caps.multi-activity": True,
            "golem.node.debug.subnet": self.network.state["subnet"],
            CHOSEN_PLATFORM: platform,
        }
        terms = {"properties": properties, "constraints": f"(golem.com.payment.platform.{platform}.address={node_id})"}
        self.demand = str(await self.rest.post("/market-api/v1/demands", terms))
        path = f"/market-api/v1/demands/{self.demand}"
        while True:
            for event in await self.rest.get(f"{path}/events", timeout=1, maxEvents=10):
                proposal = event.get("proposal")
                if proposal and proposal["state"] == "Draft":
                    return str(proposal["proposalId"])
                if proposal:
                    await self.rest.post(f"{path}/proposals/{proposal['proposalId']}", terms)

    async def agree(self, proposal: str) -> str:
        """The id of an agreement that the provider approved. Raises ``NodeError``."""
        valid = timestamp(datetime.now(UTC) + _LASTS)
        made = {"proposalId": proposal, "validTo": valid}
        self.agreement = str(await self.rest.post("/market-api/v1/agreements", made))
        path = f"/market-api/v1/agreements/{self.agreement}"
        await self.rest.post(f"{path}/confirm")
        await self.rest.post(f"{path}/wait", timeout=_ACTIVITY_SECONDS)
        return self.agreement

    async def activity(self, agreement: str) -> str:
        """The id of a new activity under the agreement. Raises ``NodeError``."""
        made = {"agreementId": agreement}
        answer = await self.rest.post("/activity-api/v1/activity", made, timeout=_ACTIVITY_SECONDS)
        return str(answer["activityId"] if isinstance(answer, dict) else answer)

    async def aclose(self) -> None:
        """Take back what was begun."""
        with contextlib.suppress(NodeError):
            if self.agreement:
                why = {"message": "The check is over."}
                await self.rest.post(f"/market-api/v1/agreements/{self.agreement}/terminate", why)
        with contextlib.suppress(NodeError):
            if self.demand:
                await self.rest.delete(f"/market-api/v1/demands/{self.demand}")
