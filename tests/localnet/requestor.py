"""A requestor in small pieces, for tests that must do one step at a time, or do it wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.errors import NodeError, NodeRefused
from golem_launcher.node.rest_client import NodeRest, timestamp
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from golem_launcher.localnet.network import LocalNetwork

PLATFORM = "erc20-hoodi-tglm"
PATIENCE = 20.0
"""On a machine with nothing else to do."""
_NODE_PATIENCE = 15.0
"""Likewise, for the node to wait for the provider's answer."""


@contextlib.asynccontextmanager
async def requestor(network: LocalNetwork) -> AsyncIterator[Requestor]:
    async with aiohttp.ClientSession() as session:
        someone = Requestor(NodeRest(network.node, session, seconds=30.0), session, network)
        try:
            yield someone
        finally:
            await someone.aclose()


class Requestor:
    def __init__(self, rest: NodeRest, session: aiohttp.ClientSession, network: LocalNetwork) -> None:
        self.rest = rest
        self._session = session
        self._network = network
        self.started = datetime.now(UTC) - timedelta(seconds=1)
        self.allocation = ""
        self.agreements: list[str] = []
        self._demands: list[str] = []
        self._vpns: list[str] = []

    async def scan(self, *, constraints: str = "()", count: int = 3) -> list[dict[str, Any]]:
        """The offers of ``count`` providers, or those of the patience's time."""
        await self.demand(constraints="(golem.node.id.name=nobody)")
        scan = await self.rest.post("/market-api/v1/scan", {"type": "offer", "constraints": constraints})
        try:
            found: dict[str, dict[str, Any]] = {}
            end = time.monotonic() + PATIENCE * slower()
            while len(found) < count and time.monotonic() < end:
                for offer in await self.rest.get(f"/market-api/v1/scan/{scan}/events", timeout=1):
                    found[offer["providerId"]] = offer
            return list(found.values())
        finally:
            await self.rest.delete(f"/market-api/v1/scan/{scan}")

    async def allocate(self, amount: Decimal = Decimal(10)) -> str:
        if not self.allocation:
            body = {"totalAmount": str(amount), "makeDeposit": False, "paymentPlatform": PLATFORM}
            self.allocation = (await self.rest.post("/payment-api/v1/allocations", body))["allocationId"]
        return self.allocation

    async def demand(
        self, *, seconds: float = 600, constraints: str = "()", properties: dict[str, Any] | None = None
    ) -> str:
        decorations = await self.rest.get("/payment-api/v1/demandDecorations", allocationIds=await self.allocate())
        self._properties = {
            "golem.srv.comp.expiration": int((time.time() + seconds) * 1000),
            "golem.srv.caps.multi-activity": True,
            "golem.node.debug.subnet": "public",
            **{entry["key"]: entry["value"] for entry in decorations["properties"]},
            **(properties or {}),
        }
        self._constraints = f"(&{constraints}{''.join(decorations['constraints'])})" if constraints != "()" else "()"
        demand = {"properties": self._properties, "constraints": self._constraints}
        identifier = str(await self.rest.post("/market-api/v1/demands", demand))
        self._demands.append(identifier)
        return identifier

    async def agree(
        self, *, name: str | None = None, refused: list[str] | None = None, **demand: Any
    ) -> dict[str, Any]:
        """An agreement with the provider of that name (or with the first one that wants); reasons go to ``refused``."""
        if name:
            demand["constraints"] = f"(golem.node.id.name={name})"
        identifier = await self.demand(**demand)
        path = f"/market-api/v1/demands/{identifier}"
        end = time.monotonic() + PATIENCE * slower()
        while time.monotonic() < end:
            for event in await self.rest.get(f"{path}/events", timeout=1, maxEvents=10):
                proposal = event.get("proposal")
                if not proposal:
                    if refused is not None:
                        refused.append(event["reason"]["message"])
                    continue
                if proposal["state"] != "Draft":
                    chosen = {**self._properties, "golem.com.payment.chosen-platform": PLATFORM}
                    answer = {"properties": chosen, "constraints": self._constraints}
                    await self.rest.post(f"{path}/proposals/{proposal['proposalId']}", answer)
                elif agreement := await self._confirm(proposal["proposalId"], refused):
                    return agreement
        raise AssertionError("nobody agreed")

    async def _confirm(self, proposal: str, refused: list[str] | None) -> dict[str, Any] | None:
        valid = timestamp(datetime.now(UTC) + timedelta(minutes=5))
        identifier = await self.rest.post("/market-api/v1/agreements", {"proposalId": proposal, "validTo": valid})
        await self.rest.post(f"/market-api/v1/agreements/{identifier}/confirm")
        try:
            await self.rest.post(f"/market-api/v1/agreements/{identifier}/wait", timeout=_NODE_PATIENCE * slower())
        except NodeError as error:
            if refused is not None and isinstance(error, NodeRefused) and error.status == 410:
                refused.append(str(error))
                return None
            raise
        self.agreements.append(identifier)
        return dict(await self.rest.get(f"/market-api/v1/agreements/{identifier}"))

    async def activity(self, agreement: dict[str, Any]) -> str:
        wanted = {"agreementId": agreement["agreementId"]}
        answer = await self.rest.post("/activity-api/v1/activity", wanted, timeout=_NODE_PATIENCE * slower())
        return str(answer["activityId"] if isinstance(answer, dict) else answer)

    async def send(self, activity: str, *commands: Any) -> str:
        """Have a script carried out; its id."""
        path = f"/activity-api/v1/activity/{activity}/exec"
        return str(await self.rest.post(path, {"text": json.dumps(commands)}))

    async def results(self, activity: str, batch: str, *, patience: float | None = None) -> list[dict[str, Any]]:
        """The results of a script, once it is over or the patience has ended."""
        path = f"/activity-api/v1/activity/{activity}/exec/{batch}"
        return list(await self.rest.get(path, timeout=PATIENCE * slower() if patience is None else patience))

    async def execute(self, activity: str, *commands: Any) -> list[dict[str, Any]]:
        """The results of a script that ends in time."""
        found = await self.results(activity, await self.send(activity, *commands))
        assert found, "the script did not end"
        assert found[-1]["isBatchFinished"], found
        return found

    async def vpn(self, agreement: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """A VPN with the agreement's provider: what its ``deploy`` is told, and the address of its ports."""
        provider, requestor, address = agreement["offer"]["providerId"], agreement["demand"]["requestorId"], "10.9.8.2"
        path = "/net-api/v1/net"
        asked = {"ip": "10.9.8.0", "mask": "255.255.255.0"}
        identifier = (await self.rest.post(path, asked))["id"]
        self._vpns.append(identifier)
        await self.rest.post(f"{path}/{identifier}/addresses", {"ip": "10.9.8.1"})
        await self.rest.post(f"{path}/{identifier}/nodes", {"id": provider, "ip": address})
        nodes = {"10.9.8.1": requestor, address: provider}
        deploy = {"net": [{"id": identifier, **asked, "nodeIp": address, "nodes": nodes}]}
        return deploy, f"{path}/{identifier}/tcp/{address}"

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """The bytes of a TCP connection into a VPN, as a websocket."""
        node = self._network.node
        headers = {"Authorization": f"Bearer {node.app_key}"}
        return await self._session.ws_connect(node.api_url + path, headers=headers, max_msg_size=0)

    async def destroy(self, activity: str) -> None:
        await self.rest.delete(f"/activity-api/v1/activity/{activity}")

    async def terminate(self, agreement: dict[str, Any]) -> None:
        identifier = agreement["agreementId"]
        await self.rest.post(f"/market-api/v1/agreements/{identifier}/terminate", {"message": "That is all."})

    async def bills(
        self, kind: str, agreement: dict[str, Any], count: int, *, accept: bool = True
    ) -> list[dict[str, Any]]:
        """The first ``count`` ``debitNotes`` or ``invoices`` of an agreement, accepted at once."""
        name, amount_key = ("debitNote", "totalAmountDue") if kind == "debitNotes" else ("invoice", "amount")
        found: dict[str, dict[str, Any]] = {}
        end = time.monotonic() + PATIENCE * slower()
        while len(found) < count and time.monotonic() < end:
            for bill in await self.rest.get(f"/payment-api/v1/{kind}", afterTimestamp=timestamp(self.started)):
                identifier = bill[f"{name}Id"]
                if bill["agreementId"] != agreement["agreementId"] or identifier in found:
                    continue
                found[identifier] = bill
                if accept:
                    body = {"totalAmountAccepted": bill[amount_key], "allocationId": self.allocation}
                    await self.rest.post(f"/payment-api/v1/{kind}/{identifier}/accept", body)
            await self.rest.get(
                f"/payment-api/v1/{name}Events", timeout=0.5, afterTimestamp=timestamp(datetime.now(UTC))
            )
        return sorted(found.values(), key=lambda bill: str(bill["timestamp"]))

    async def aclose(self) -> None:
        for identifier in self.agreements:
            with contextlib.suppress(NodeError):
                await self.rest.post(
                    f"/market-api/v1/agreements/{identifier}/terminate", {"message": "The test is over."}
                )
        for identifier in self._vpns:
            with contextlib.suppress(NodeError):
                await self.rest.delete(f"/net-api/v1/net/{identifier}")
        for identifier in self._demands:
            with contextlib.suppress(NodeError):
                await self.rest.delete(f"/market-api/v1/demands/{identifier}")
        if self.allocation:
            with contextlib.suppress(NodeError):
                await self.rest.delete(f"/payment-api/v1/allocations/{self.allocation}")


def play(network: LocalNetwork, scene: Callable[[Requestor], Awaitable[None]]) -> None:
    """Have a scene played by a requestor on the network."""

    async def whole() -> None:
        async with requestor(network) as someone:
            await scene(someone)

    asyncio.run(whole())


async def until(condition: Any, *, patience: float = PATIENCE) -> Any:
    """Ask ``condition`` until its answer is true, and return that."""
    end = time.monotonic() + patience * slower()
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"{condition} did not come true"
        await asyncio.sleep(0.05)
