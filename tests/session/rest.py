"""What a node says it holds, asked by tests."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from golem_launcher.node.requestor_api import YagnaRest
from tests.patience import slower

_ENDED = {"Terminated", "Rejected", "Cancelled"}
_NEVER_SENT = "Proposal"
"""Of an agreement that a busy node did not come to send: no provider knows of it, nobody can end it, and it lapses."""
_PATIENCE = 60


class Node:
    """Blocking questions to one node."""

    def __init__(self, node):
        self.node = node

    def ask(self, question, *arguments):
        async def asking():
            async with YagnaRest.open(self.node) as rest:
                return await getattr(rest, question)(*arguments)

        return asyncio.run(asking())

    def members(self, network_id):
        """The ids of the providers that are in a private network."""

        async def asking():
            async with YagnaRest.open(self.node) as rest:
                return await rest.get(f"/net-api/v1/net/{network_id}/nodes")

        return {member["id"] for member in asyncio.run(asking())}

    def holds_nothing_of(self, entries, *, provider_is_dead=False):
        """Nothing of a session's journal is left: no allocation, no network, no living agreement or activity."""
        assert entries.allocation_id not in {allocation["allocationId"] for allocation in self.ask("allocations")}
        assert entries.network_id not in {network["id"] for network in self.ask("networks")}
        end = time.monotonic() + _PATIENCE * slower()
        for entry in entries.agreements:  # a node that is busy may end one at the second or third try
            while (state := self.ask("agreement", entry.agreement_id)["state"]) not in _ENDED:
                if time.monotonic() > end:
                    assert state == _NEVER_SENT, state
                    break
                time.sleep(0.2)
            if entry.activity_id and not provider_is_dead:
                assert self.ask("activity_state", entry.activity_id) == "Terminated"

    def invoice(self, agreement_id):
        after = datetime.now(UTC) - timedelta(hours=1)
        found = [invoice for invoice in self.ask("invoices", after) if invoice["agreementId"] == agreement_id]
        return found[0] if found else None
