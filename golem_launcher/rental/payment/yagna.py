"""The parts of yagna's REST API that a session needs beside yapapi, each call bounded in time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.errors import NodeRefused
from golem_launcher.node.rest import ANSWER_SECONDS, NodeRest

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from types import TracebackType
    from typing import Self

    from golem_launcher.node.node import Node

_NOT_FOUND = 404
_CONFLICT = 409
_GONE = 410


class YagnaRest:
    """A client of one node. Raises ``NodeUnreachable`` or ``NodeRefused``."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    def follow(self, node: Node) -> None:
        """From now on, ask the node at its new address."""
        self._node = node

    async def identity(self) -> str:
        """The node's own id; also the check that it answers and knows our key."""
        answer = await self._call("GET", "/me", seconds=5.0)
        return str(answer["identity"])

    async def create_allocation(self, *, amount: Decimal, platform: str, address: str, timeout: datetime) -> str:
        """Reserve money until ``timeout``; the allocation's id."""
        body = {
            "totalAmount": str(amount),
            "paymentPlatform": platform,
            "address": address,
            "timeout": _iso(timeout),
            "makeDeposit": False,
        }
        answer = await self._call("POST", "/payment-api/v1/allocations", body=body, seconds=30.0)
        return str(answer["allocationId"])

    async def amend_allocation(self, allocation_id: str, *, amount: Decimal, timeout: datetime) -> None:
        """Reserve another amount, until another moment. When the node refuses, all is as before."""
        body = {"totalAmount": str(amount), "timeout": _iso(timeout)}
        await self._call("PUT", f"/payment-api/v1/allocations/{allocation_id}", body=body, seconds=30.0)

    async def allocations(self) -> list[dict[str, Any]]:
        """Every allocation that is not released."""
        return list(await self._call("GET", "/payment-api/v1/allocations"))

    async def release_allocation(self, allocation_id: str) -> None:
        """Give the reserved money back; nothing happens when that was done before."""
        await self._delete(f"/payment-api/v1/allocations/{allocation_id}")

    async def agreements(self, after: datetime) -> list[dict[str, Any]]:
        """The agreements signed after a moment, as the node lists them."""
        answer = await self._call("GET", "/market-api/v1/agreements", query={"afterDate": _iso(after)})
        return list(answer)

    async def agreement(self, agreement_id: str) -> dict[str, Any]:
        """One agreement with the properties of both sides."""
        answer = await self._call("GET", f"/market-api/v1/agreements/{agreement_id}")
        return dict(answer)

    async def termination_reason(self, agreement_id: str) -> dict[str, Any]:
        """Why an agreement was ended, as its other side says: hostile words, under its own names."""
        answer = await self._call("GET", f"/market-api/v1/agreements/{agreement_id}/terminate/reason")
        reason = answer.get("reason") if isinstance(answer, dict) else None
        return reason if isinstance(reason, dict) else {}

    async def terminate_agreement(self, agreement_id: str, message: str) -> None:
        """End an agreement; nothing happens when it ended before."""
        body = {"message": message, "golem.requestor.code": "Success"}
        try:
            await self._call("POST", f"/market-api/v1/agreements/{agreement_id}/terminate", body=body)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND, _CONFLICT}:
                raise

    async def cancel_agreement(self, agreement_id: str, message: str) -> None:
        """Take back an agreement that the provider has not signed; nothing happens when it has, or said no."""
        body = {"message": message, "golem.requestor.code": "Cancelled"}
        try:
            await self._call("POST", f"/market-api/v1/agreements/{agreement_id}/cancel", body=body)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND, _CONFLICT}:
                raise

    async def activities(self, agreement_id: str) -> list[str]:
        """The ids of an agreement's activities."""
        answer = await self._call("GET", "/activity-api/v1/activity", query={"agreementId": agreement_id})
        return [str(activity_id) for activity_id in answer]

    async def activity_state(self, activity_id: str) -> str:
        """The state of an activity: ``Ready``, ``Terminated``, … Asks the provider unless it is known to have ended."""
        answer = await self._call("GET", f"/activity-api/v1/activity/{activity_id}/state", query={"timeout": "4"})
        state = answer.get("state")
        return str(state[0] if isinstance(state, list) and state else state)

    async def activity_usage(self, activity_id: str) -> tuple[float, ...] | None:
        """The usage vector as the provider reports it."""
        answer = await self._call("GET", f"/activity-api/v1/activity/{activity_id}/usage", query={"timeout": "4"})
        usage = answer.get("currentUsage")
        if not isinstance(usage, list) or not all(isinstance(value, int | float) for value in usage):
            return None
        return tuple(float(value) for value in usage)

    async def destroy_activity(self, activity_id: str) -> None:
        """End an activity; nothing happens when it ended before."""
        await self._delete(f"/activity-api/v1/activity/{activity_id}")

    async def invoices(self, after: datetime) -> list[dict[str, Any]]:
        """The invoices received or sent after a moment."""
        return list(await self._call("GET", "/payment-api/v1/invoices", query={"afterTimestamp": _iso(after)}))

    async def debit_notes(self, after: datetime) -> list[dict[str, Any]]:
        """The debit notes received or sent after a moment."""
        return list(await self._call("GET", "/payment-api/v1/debitNotes", query={"afterTimestamp": _iso(after)}))

    async def payments(self, after: datetime) -> list[dict[str, Any]]:
        """The payments that were confirmed on a chain after a moment, those received as well."""
        query = {"afterTimestamp": _iso(after), "timeout": "0"}
        return list(await self._call("GET", "/payment-api/v1/payments", query=query))

    async def accept_invoice(self, invoice_id: str, *, amount: str, allocation_id: str) -> None:
        """Accept an invoice in full."""
        body = {"totalAmountAccepted": amount, "allocationId": allocation_id}
        await self._call("POST", f"/payment-api/v1/invoices/{invoice_id}/accept", body=body, seconds=20.0)

    async def networks(self) -> list[dict[str, Any]]:
        """The private networks that the node holds."""
        return list(await self._call("GET", "/net-api/v1/net"))

    async def remove_network(self, network_id: str) -> None:
        """Remove a private network; nothing happens when it is gone."""
        try:
            await self._delete(f"/net-api/v1/net/{network_id}")
        except NodeRefused:  # a node that was started anew knows it no more and says 403
            if network_id in {str(network.get("id")) for network in await self.networks()}:
                raise

    async def scan_offers(self, constraints: str, *, seconds: float) -> list[dict[str, Any]]:
        """The offers on the market that meet ``constraints``, as far as they are known within ``seconds``."""
        body = {"type": "offer", "constraints": constraints, "timeout": 60}
        scan = str(await self._call("POST", "/market-api/v1/scan", body=body))
        try:
            query = {"timeout": str(seconds), "maxEvents": "200"}
            found = await self._call("GET", f"/market-api/v1/scan/{scan}/events", query=query, seconds=seconds + 5)
            return list(found)
        finally:
            await self._delete(f"/market-api/v1/scan/{scan}")

    async def _delete(self, path: str) -> None:
        try:
            await self._call("DELETE", path)
        except NodeRefused as error:
            if error.status not in {_GONE, _NOT_FOUND}:
                raise

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Any:
        assert self._http is not None, "enter the client first"
        rest = NodeRest(self._http, self._node.api_url, self._node.app_key)
        data = None if body is None else json.dumps(body)
        return await rest.call(method, path, data=data, query=query, seconds=seconds)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
