"""What a node says it holds, asked by tests."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher.errors import NodeError, NodeRefused
from golem_launcher.localnet import network as localnet
from golem_launcher.node.requestor_api import YagnaRest
from tests.patience import slower
from tests.session import providers

_ENDED = {"Terminated", "Rejected", "Cancelled"}
_NEVER_SENT = "Proposal"
"""Of an agreement that a busy node did not come to send: no provider knows of it, nobody can end it, and it lapses."""
_PATIENCE, _SHORTLY = 60, 10


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
        for entry in entries.agreements:
            self._wait_until_it_binds_nobody(entry, provider_is_dead=provider_is_dead)
            if entry.activity_id and not provider_is_dead:
                assert self.ask("activity_state", entry.activity_id) == "Terminated"

    def _wait_until_it_binds_nobody(self, entry, *, provider_is_dead):
        """Until an agreement is over: a node that is busy may end one at the second or third try."""
        began = time.monotonic()
        while (state := self.ask("agreement", entry.agreement_id)["state"]) not in _ENDED:
            waited = time.monotonic() - began
            if waited > _SHORTLY * slower() and not provider_is_dead and self.is_over_at_its_provider_alone(entry):
                break
            if waited > _PATIENCE * slower():
                assert state == _NEVER_SENT, state
                break
            time.sleep(0.2)

    def is_over_at_its_provider_alone(self, entry):
        """Whether an agreement binds nobody though our node has it as a living one, where nobody can end it.

        Yagna ends one at the provider's node first and writes that down after. Who hangs up between the two, because
        it is killed, leaves it so: to every later try our node says that the provider refuses, since it is over there.
        """
        network = localnet.up()
        key = providers.keys(network, len(network.providers))[entry.provider_id]
        its = Node(replace(self.node, api_url=network.state["daemons"]["provider"]["api_url"], app_key=key))
        try:
            if its.ask("agreement", entry.agreement_id)["state"] != "Terminated":
                return False
        except NodeError:
            return False  # it knows nothing of it, or is not there
        with pytest.raises(NodeRefused):  # else it could have been ended, and was not
            self.ask("terminate_agreement", entry.agreement_id, "The test ended it")
        return True

    def invoice(self, agreement_id):
        after = datetime.now(UTC) - timedelta(hours=1)
        found = [invoice for invoice in self.ask("invoices", after) if invoice["agreementId"] == agreement_id]
        return found[0] if found else None
