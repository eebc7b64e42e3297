"""What a requestor asks of yagna's REST API beside yapapi: allocations, agreements, activities, bills, offers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeRefused
from golem_launcher.node.rest_client import NodeRest, timestamp

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

_NOT_FOUND = 404
_CONFLICT = 409
_GONE = 410
_NOBODY = "(&(golem.node.id.name=nobody)(golem.inf.mem.gib<0))"
_MOST_OFFERS = 1000
_SCAN_LIVES_SECONDS = 60
_NEXT_OFFERS_SECONDS = 0.3
"""How long to wait for more offers once there are some."""


class YagnaRest(NodeRest):
    """A client of one node. Every call raises ``NodeUnreachable`` or ``NodeRefused``."""

    async def identity(self) -> str:
        """The node's own id; also the check that it answers and knows our key."""
        answer = await self.get("/me", seconds=5.0)
        return str(answer["identity"])

    async def create_allocation(self, *, amount: Decimal, platform: str, address: str, timeout: datetime) -> str:
        """Reserve money until ``timeout``; the allocation's id."""
        body = {
            "totalAmount": str(amount),
            "paymentPlatform": platform,
            "address": address,
            "timeout": timestamp(timeout),
            "makeDeposit": False,
        }
        answer = await self.post("/payment-api/v1/allocations", body, seconds=30.0)
        return str(answer["allocationId"])

    async def amend_allocation(self, allocation_id: str, *, amount: Decimal, timeout: datetime) -> None:
        """Reserve another amount, until another moment. When the node refuses, all is as before."""
        body = {"totalAmount": str(amount), "timeout": timestamp(timeout)}
        await self.put(f"/payment-api/v1/allocations/{allocation_id}", body, seconds=30.0)

    async def allocations(self) -> list[dict[str, Any]]:
        """Every allocation that is not released."""
        return list(await self.get("/payment-api/v1/allocations"))

    async def release_allocation(self, allocation_id: str) -> None:
        """Give the reserved money back; nothing happens when that was done before."""
        await self._discard(f"/payment-api/v1/allocations/{allocation_id}")

    async def agreements(self, after: datetime) -> list[dict[str, Any]]:
        """The agreements signed after a moment, as the node lists them."""
        answer = await self.get("/market-api/v1/agreements", afterDate=timestamp(after))
        return list(answer)

    async def agreement(self, agreement_id: str) -> dict[str, Any]:
        """One agreement with the properties of both sides."""
        answer = await self.get(f"/market-api/v1/agreements/{agreement_id}")
        return dict(answer)

    async def termination_reason(self, agreement_id: str) -> dict[str, Any]:
        """Why an agreement was ended, as its other side says: hostile words, under its own names."""
        answer = await self.get(f"/market-api/v1/agreements/{agreement_id}/terminate/reason")
        reason = answer.get("reason") if isinstance(answer, dict) else None
        return reason if isinstance(reason, dict) else {}

    async def terminate_agreement(self, agreement_id: str, message: str) -> None:
        """End an agreement; nothing happens when it ended before."""
        body = {"message": message, "golem.requestor.code": "Success"}
        try:
            await self.post(f"/market-api/v1/agreements/{agreement_id}/terminate", body)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND, _CONFLICT}:
                raise

    async def cancel_agreement(self, agreement_id: str, message: str) -> None:
        """Take back an agreement that the provider has not signed; nothing happens when it has, or said no."""
        body = {"message": message, "golem.requestor.code": "Cancelled"}
        try:
            await self.post(f"/market-api/v1/agreements/{agreement_id}/cancel", body)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND, _CONFLICT}:
                raise

    async def activities(self, agreement_id: str) -> list[str]:
        """The ids of an agreement's activities."""
        answer = await self.get("/activity-api/v1/activity", agreementId=agreement_id)
        return [str(activity_id) for activity_id in answer]

    async def activity_state(self, activity_id: str) -> str:
        """The state of an activity: ``Ready``, ``Terminated``, … Asks the provider unless it is known to have ended."""
        answer = await self.get(f"/activity-api/v1/activity/{activity_id}/state", timeout=4, seconds=6.0)
        state = answer.get("state")
        return str(state[0] if isinstance(state, list) and state else state)

    async def activity_usage(self, activity_id: str) -> tuple[float, ...] | None:
        """The usage vector as the provider reports it."""
        answer = await self.get(f"/activity-api/v1/activity/{activity_id}/usage", timeout=4, seconds=6.0)
        usage = answer.get("currentUsage")
        if not isinstance(usage, list) or not all(isinstance(value, int | float) for value in usage):
            return None
        return tuple(float(value) for value in usage)

    async def destroy_activity(self, activity_id: str) -> None:
        """End an activity; nothing happens when it ended before."""
        await self._discard(f"/activity-api/v1/activity/{activity_id}")

    async def invoices(self, after: datetime) -> list[dict[str, Any]]:
        """The invoices received or sent after a moment."""
        return list(await self.get("/payment-api/v1/invoices", afterTimestamp=timestamp(after)))

    async def debit_notes(self, after: datetime) -> list[dict[str, Any]]:
        """The debit notes received or sent after a moment."""
        return list(await self.get("/payment-api/v1/debitNotes", afterTimestamp=timestamp(after)))

    async def payments(self, after: datetime) -> list[dict[str, Any]]:
        """The payments that were confirmed on a chain after a moment, those received as well."""
        return list(await self.get("/payment-api/v1/payments", afterTimestamp=timestamp(after), timeout=0))

    async def accept_invoice(self, invoice_id: str, *, amount: str, allocation_id: str) -> None:
        """Accept an invoice in full."""
        body = {"totalAmountAccepted": amount, "allocationId": allocation_id}
        await self.post(f"/payment-api/v1/invoices/{invoice_id}/accept", body, seconds=20.0)

    async def networks(self) -> list[dict[str, Any]]:
        """The private networks that the node holds."""
        return list(await self.get("/net-api/v1/net"))

    async def remove_network(self, network_id: str) -> None:
        """Remove a private network; nothing happens when it is gone."""
        try:
            await self._discard(f"/net-api/v1/net/{network_id}")
        except NodeRefused:  # a node that was started anew knows it no more and says 403
            if network_id in {str(network.get("id")) for network in await self.networks()}:
                raise

    async def offers(self, constraints: str, *, seconds: float) -> list[dict[str, Any]]:
        """The offers on the market that meet ``constraints``, whole and without a negotiation.

        As many as the node learns of within ``seconds``; it ends as soon as no more come.
        """
        body = {"type": "offer", "constraints": constraints, "timeout": _SCAN_LIVES_SECONDS}
        scan = f"/market-api/v1/scan/{await self.post('/market-api/v1/scan', body)}"
        clock = asyncio.get_running_loop().time
        found: list[dict[str, Any]] = []
        end = clock() + seconds
        try:
            while len(found) < _MOST_OFFERS and (left := end - clock()) > 0:
                wait = min(left, _NEXT_OFFERS_SECONDS) if found else left
                more = await self.events(f"{scan}/events", timeout=round(wait, 1), maxEvents=200)
                if not more:
                    break
                found += [offer for offer in more if isinstance(offer, dict)]
        finally:
            with contextlib.suppress(NodeRefused):
                await self.delete(scan)
        return found

    async def listen_to_offers(self) -> None:
        """Have the node listen to offers, which it does from its first demand on, and not before.

        The demand is one that nobody can meet, and is there for a moment. Offers that were missed come again with the
        next broadcast, a second or two later on the local network.
        """
        body = {"properties": {}, "constraints": _NOBODY}
        demand = await self.post("/market-api/v1/demands", body)
        await self.delete(f"/market-api/v1/demands/{demand}")

    async def _discard(self, path: str) -> None:
        """Delete what is at a path; nothing happens when it is gone."""
        try:
            await self.delete(path)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND}:
                raise
