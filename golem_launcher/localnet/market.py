"""A provider's side of the market: publishes its offer, answers proposals and agreements."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeError
from golem_launcher.localnet import clock_jump
from golem_launcher.localnet.negotiation import COEFFICIENTS, NO_CAPACITY, Negotiator, ProposalRefused
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from golem_launcher.node.rest_client import NodeRest

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_APPROVE_SECONDS = 15.0
_MOST_EVENTS = 50
_MOST_PROPOSALS = 1000


@dataclass
class Market:
    """Keeps an offer in the market, and negotiates: a provider that is taken refuses, and is listed as before."""

    rest: NodeRest
    properties: Mapping[str, Any]
    constraints: Callable[[], str]
    """What an offer asks of demands, made for each offer: it names the time."""
    negotiator: Negotiator
    take: Callable[[dict[str, Any]], str]
    """Asked before an agreement is approved: takes it and returns nothing, or why it is refused."""
    approved: Callable[[str], Awaitable[None]]
    """Told that the requestor knows of the approval."""
    lost: Callable[[str], None]
    """Told that an agreement taken could not be approved."""
    subscribed: Callable[[], None]
    """Told that an offer is in the market."""
    refuse_terms: bool = False
    """Misbehaves: rejects every proposal."""
    refuses: Callable[[Mapping[str, Any], str], str] = lambda _demand, _requestor: ""
    """Why a demand's properties are no terms for its requestor, by id; nothing when they are."""
    ignore_agreements: bool = False
    """Misbehaves: never decides on an agreement."""
    approve_late: float = 0.0
    """Misbehaves: takes that many seconds more to decide on an agreement."""
    price_factor: float = 1.0
    """Misbehaves: asks this many times what its offer says."""
    start_more: float = 0.0
    """Misbehaves: asks so much more at the start, and half of the rest."""
    _free: bool = True
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _offered: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What we said last, by our proposal's id: the next answer goes on from there."""

    def set_free(self, free: bool) -> None:  # noqa: FBT001 - a state, set by name
        """Say whether the provider would take an agreement now."""
        if free and not self._free:
            self._changed.set()  # a new offer: demands that this one's rejection has reached do not come back to it
        self._free = free

    async def run(self) -> None:
        """Offer and negotiate for ever."""
        await self._withdraw_all()
        while True:
            self._changed.clear()
            serving = asyncio.create_task(self._serve_one_offer())
            changed = {asyncio.create_task(self._changed.wait()), asyncio.create_task(clock_jump.is_set())}
            try:
                await asyncio.wait({serving, *changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_all(serving, *changed)
            if not serving.cancelled() and (error := serving.exception()):
                if not isinstance(error, NodeError):
                    raise error
                _log.info("the offer is renewed: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _serve_one_offer(self) -> None:
        """Serve an offer until cancelled, while the provider is busy, too: others get their refusal at once then."""
        self._offered.clear()
        asked = self.constraints()
        offer = {"properties": dict(self.properties), "constraints": asked}
        identifier = str(await self.rest.post("/market-api/v1/offers", offer))
        self.subscribed()
        try:
            while True:
                await self._serve_events(identifier, asked)
        finally:
            with contextlib.suppress(NodeError):
                await self.rest.delete(f"/market-api/v1/offers/{identifier}")

    async def _serve_events(self, offer_id: str, asked: str) -> None:
        events = await self.rest.events(f"/market-api/v1/offers/{offer_id}/events", maxEvents=_MOST_EVENTS)
        for event in events:
            await self._react(offer_id, asked, event)

    async def _react(self, offer_id: str, asked: str, event: dict[str, Any]) -> None:
        try:
            if event.get("eventType") == "ProposalEvent":
                await self._negotiate(offer_id, asked, event["proposal"])
            elif event.get("eventType") == "AgreementEvent" and not self.ignore_agreements:
                await self._decide(event["agreement"])
        except NodeError as error:
            _log.info("a proposal or agreement came to nothing: %s", error)

    async def _negotiate(self, offer_id: str, asked: str, proposal: dict[str, Any]) -> None:
        path = f"/market-api/v1/offers/{offer_id}/proposals/{proposal['proposalId']}"
        try:
            agreed = self._answer(proposal)
        except ProposalRefused as refused:
            await self.rest.post(f"{path}/reject", refused.reason())
            return
        if len(self._offered) >= _MOST_PROPOSALS:
            del self._offered[next(iter(self._offered))]
        ours = await self.rest.post(path, {"properties": agreed, "constraints": asked})
        self._offered[str(ours)] = agreed

    def _answer(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """What we would agree to; :class:`ProposalRefused`."""
        demand = proposal["properties"]
        if self.refuse_terms:
            raise ProposalRefused("This provider refuses all terms.", final=True)
        if not self._free:
            raise ProposalRefused(NO_CAPACITY, final=False)
        said = self._offered.get(str(proposal.get("prevProposalId")))
        agreed = self.negotiator.answer(self.properties if said is None else said, demand)
        if refusal := self.refuses(demand, str(proposal["issuerId"])):
            raise ProposalRefused(refusal, final=True)
        if self.price_factor != 1 and said is None:
            agreed[COEFFICIENTS] = [coefficient * self.price_factor for coefficient in agreed[COEFFICIENTS]]
        if self.start_more and said is None:
            *rates, start = agreed[COEFFICIENTS]
            agreed[COEFFICIENTS] = [*(rate / 2 for rate in rates), start + self.start_more]
        return agreed

    async def _decide(self, agreement: dict[str, Any]) -> None:
        identifier = str(agreement["agreementId"])
        path = f"/market-api/v1/agreements/{identifier}"
        await asyncio.sleep(self.approve_late)
        try:
            if not self._free:
                raise ProposalRefused(NO_CAPACITY, final=False)  # noqa: TRY301 - one place that tells the requestor
            self.negotiator.check(agreement["offer"]["properties"], agreement["demand"]["properties"])
            if refusal := self.take(agreement):
                raise ProposalRefused(refusal, final=True)  # noqa: TRY301
        except ProposalRefused as refused:
            await self.rest.post(f"{path}/reject", refused.reason())
            return
        try:
            await self.rest.post(f"{path}/approve", timeout=_APPROVE_SECONDS)
        except BaseException:
            self.lost(identifier)
            raise
        await self.approved(identifier)

    async def _withdraw_all(self) -> None:
        """Take back what an earlier life of this provider left in the market."""
        with contextlib.suppress(NodeError):
            for offer in await self.rest.get("/market-api/v1/offers"):
                await self.rest.delete(f"/market-api/v1/offers/{offer['offerId']}")
            for agreement in await self.rest.get("/market-api/v1/agreements", state="Approved"):
                identifier = agreement.get("id") or agreement.get("agreementId")
                await self.rest.post(
                    f"/market-api/v1/agreements/{identifier}/terminate",
                    {"message": "The provider was restarted.", "golem.provider.code": "Shutdown"},
                )
