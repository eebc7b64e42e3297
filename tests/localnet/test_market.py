"""Offers, agreements and bills, on the real daemons."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.errors import NodeError
from golem_launcher.localnet import network
from golem_launcher.localnet.billing import amount_due
from golem_launcher.localnet.misbehaviour import hostile_name
from golem_launcher.localnet.negotiation import NO_CAPACITY, NOTE_ACCEPT_TIMEOUT, NOTE_INTERVAL, PAYMENT_TIMEOUT
from tests.localnet.conftest import TROUPE_SIZE
from tests.localnet.requestor import Requestor, play, until
from tests.session.rest import Node

if TYPE_CHECKING:
    from pathlib import Path

COEFFICIENTS = "golem.com.pricing.model.linear.coeffs"


def provider(name: str) -> dict[str, Any]:
    return next(entry for entry in network.status()["providers"] if entry["name"] == name)


def due(agreement: dict[str, Any], note: dict[str, Any], factor: float = 1.0) -> Decimal:
    return amount_due(agreement["offer"]["properties"][COEFFICIENTS], note["usageCounterVector"], factor=factor)


def test_a_scan_finds_every_offer_and_not_after_minutes_as_on_golem(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        offers = await someone.scan(count=TROUPE_SIZE)  # which looks for PATIENCE seconds
        assert len({offer["providerId"] for offer in offers}) == TROUPE_SIZE
        names = {offer["properties"]["golem.node.id.name"] for offer in offers}
        assert {"honest", "counting", hostile_name()} <= names
        ids = {entry["node_id"] for entry in in_troupe.providers}
        assert {offer["providerId"] for offer in offers} == ids
        scanned = await someone.scan(constraints="(golem.com.usage.vector=golem.usage.custom.counter)", count=1)
        assert [offer["properties"]["golem.runtime.name"] for offer in scanned] == ["test-counters"]

    play(in_troupe, scene)


def test_bills_are_price_times_usage(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest")
        activity = await someone.activity(agreement)
        created = time.monotonic()
        notes = await someone.bills("debitNotes", agreement, 2)
        assert time.monotonic() - created > 3  # two notes, 2 s apart
        await someone.destroy(activity)
        notes = await someone.bills("debitNotes", agreement, len(notes) + 1)
        for note in notes:
            assert Decimal(note["totalAmountDue"]) == due(agreement, note)
        seconds = [note["usageCounterVector"][1] for note in notes]
        assert seconds == sorted(seconds)
        assert Decimal(notes[-1]["totalAmountDue"]) == pytest.approx(Decimal("0.001") * (1 + Decimal(seconds[-1])))
        await someone.terminate(agreement)
        (invoice,) = await someone.bills("invoices", agreement, 1)
        assert invoice["amount"] == notes[-1]["totalAmountDue"]
        assert invoice["activityIds"] == [activity]
        accepted = await someone.rest.get(f"/payment-api/v1/invoices/{invoice['invoiceId']}")
        assert accepted["status"] == "ACCEPTED"

    play(in_troupe, scene)


def test_one_agreement_at_a_time_and_free_again_at_once(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        first = await someone.agree(name="honest")
        refused: list[str] = []
        waiting = asyncio.create_task(someone.agree(name="honest", refused=refused))
        await until(lambda: refused)
        assert refused[0] == NO_CAPACITY
        assert provider("honest")["state"] == "busy"
        await someone.terminate(first)
        begin = time.monotonic()
        second = await waiting
        assert time.monotonic() - begin >= 2  # it tidies up first
        assert second["agreementId"] != first["agreementId"]

    play(in_troupe, scene)


def test_counters_of_the_providers_own(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="counting")
        activity = await someone.activity(agreement)
        (note, *_) = await someone.bills("debitNotes", agreement, 1)
        _, seconds, counted = note["usageCounterVector"]
        assert counted == pytest.approx(2 * seconds, rel=0.01)
        assert Decimal(note["totalAmountDue"]) == due(agreement, note)
        await someone.destroy(activity)

    play(in_troupe, scene)


def test_an_agreement_ends_at_its_time(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest", seconds=3)
        activity = await someone.activity(agreement)
        await until(lambda: ended(someone, agreement))
        assert await terminated(someone, activity)
        (invoice,) = await someone.bills("invoices", agreement, 1)
        assert Decimal(invoice["amount"]) > Decimal("0.001")

    play(in_troupe, scene)


@pytest.mark.slow
def test_a_requestor_that_does_not_accept_loses_its_agreement(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest", properties={NOTE_ACCEPT_TIMEOUT: 5})
        activity = await someone.activity(agreement)
        await someone.bills("debitNotes", agreement, 1, accept=False)
        await until(lambda: ended(someone, agreement))
        assert (await reason(someone, agreement))["golem.provider.code"] == "DebitNotesDeadline"
        assert await terminated(someone, activity)

    play(in_troupe, scene)


def test_terms_are_those_that_the_requestor_asks_for(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest")
        agreed = agreement["offer"]["properties"]
        assert not {NOTE_INTERVAL, PAYMENT_TIMEOUT, NOTE_ACCEPT_TIMEOUT} & agreed.keys()
        await someone.terminate(agreement)
        asked = {NOTE_INTERVAL: 1, PAYMENT_TIMEOUT: 2, NOTE_ACCEPT_TIMEOUT: 5}
        agreement = await someone.agree(name="honest", properties=asked)
        assert asked.items() <= agreement["offer"]["properties"].items()
        activity = await someone.activity(agreement)
        notes = await someone.bills("debitNotes", agreement, 3)
        await someone.destroy(activity)
        notes = await someone.bills("debitNotes", agreement, len(notes) + 1)
        assert not notes[0].get("paymentDueDate")
        assert notes[-1]["paymentDueDate"]  # what an activity costs is always paid when it ends

    play(in_troupe, scene)


def test_a_demand_that_nobody_may_agree_to_is_refused_with_the_reason(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        refused: list[str] = []
        trying = asyncio.create_task(someone.agree(name="honest", seconds=3600, refused=refused))
        await until(lambda: any("more than 30min from now" in why for why in refused))
        trying.cancel()

    play(in_troupe, scene)


def test_a_provider_serves_nobody_of_another_subnet(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        elsewhere = {"golem.node.debug.subnet": "elsewhere"}
        demand = await someone.demand(constraints="(golem.node.id.name=honest)", properties=elsewhere)
        assert await someone.rest.get(f"/market-api/v1/demands/{demand}/events", timeout=3, maxEvents=10) == []

    play(in_troupe, scene)


def test_an_agreement_has_one_activity_at_a_time(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest")
        first = await someone.activity(agreement)
        body = {"agreementId": agreement["agreementId"]}
        with pytest.raises(NodeError):
            await someone.rest.post("/activity-api/v1/activity", body, timeout=3)
        await someone.destroy(first)
        await someone.activity(agreement)

    play(in_troupe, scene)


def test_an_agreement_for_one_activity_ends_with_it(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest", properties={"golem.srv.caps.multi-activity": False})
        await someone.destroy(await someone.activity(agreement))
        await until(lambda: ended(someone, agreement))
        assert (await reason(someone, agreement))["golem.provider.code"] == "Success"

    play(in_troupe, scene)


def test_a_usage_vector_of_another_length_ends_nothing(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="strange")
        activity = await someone.activity(agreement)
        await someone.destroy(activity)
        await someone.terminate(agreement)
        (invoice,) = await someone.bills("invoices", agreement, 1)
        assert Decimal(invoice["amount"]) >= Decimal("0.5")
        assert provider("strange")["state"] != "dead"

    play(in_troupe, scene)


@pytest.mark.slow
def test_the_end_takes_as_long_as_on_golem_and_the_invoice_comes_after_it(home: Path) -> None:
    description = home / "one.toml"
    description.write_text('[[provider]]\nname = "honest"\n')

    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest")
        activity = await someone.activity(agreement)
        await someone.execute(activity, {"deploy": {}}, {"start": {"args": []}})
        begin = time.monotonic()
        (over,) = await someone.execute(activity, {"terminate": {}})
        assert over["result"] == "Ok"
        assert time.monotonic() - begin >= 5
        await someone.execute(activity, {"deploy": {}})  # as if it were new
        begin = time.monotonic()
        await someone.terminate(agreement)
        await someone.bills("invoices", agreement, 1)
        assert time.monotonic() - begin >= 5

    play(network.up(description), scene)


def test_a_refuser_refuses(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        refused: list[str] = []
        trying = asyncio.create_task(someone.agree(name="refuser", refused=refused))
        await until(lambda: refused)
        assert not trying.done()
        trying.cancel()
        assert provider("refuser")["state"] == "free"

    play(in_troupe, scene)


def test_a_quitter_quits(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="quitter")
        await until(lambda: ended(someone, agreement), patience=5)
        assert (await reason(someone, agreement))["golem.provider.code"] == "Shutdown"

    play(in_troupe, scene)


def test_the_greedy_bill_more_than_price_times_usage(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="greedy")
        activity = await someone.activity(agreement)
        await someone.destroy(activity)
        (note,) = await someone.bills("debitNotes", agreement, 1)
        assert Decimal(note["totalAmountDue"]) == due(agreement, note, factor=3.0) > due(agreement, note)

    play(in_troupe, scene)


async def ended(someone: Requestor, agreement: dict[str, Any]) -> bool:
    state = await someone.rest.get(f"/market-api/v1/agreements/{agreement['agreementId']}")
    return bool(state["state"] == "Terminated")


async def reason(someone: Requestor, agreement: dict[str, Any]) -> dict[str, Any]:
    path = f"/market-api/v1/agreements/{agreement['agreementId']}/terminate/reason"
    return dict((await someone.rest.get(path))["reason"])


async def terminated(someone: Requestor, activity: str) -> bool:
    try:
        state = await someone.rest.get(f"/activity-api/v1/activity/{activity}/state")
    except NodeError:
        return True  # nobody answers for it any more
    return bool(state["state"][0] == "Terminated")


def test_an_agreement_that_is_over_at_its_provider_alone_is_told_from_a_living_one(
    in_troupe: network.LocalNetwork,
) -> None:
    """Yagna ends one at the provider's node first: who hangs up meanwhile leaves it approved at ours, for good.

    It is what tests of sessions take for an end.
    """

    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="honest")
        identifier, provider_id = agreement["agreementId"], agreement["offer"]["providerId"]
        entry = SimpleNamespace(agreement_id=identifier, provider_id=provider_id)
        node, pid = Node(in_troupe.node), in_troupe.state["daemons"]["provider"]["pid"]
        assert not await asyncio.to_thread(node.is_over_at_its_provider_alone, entry)
        path, why = f"/market-api/v1/agreements/{identifier}", {"message": "no more"}
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(NodeError):
                await someone.rest.post(f"{path}/terminate", why, seconds=1.0)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: asyncio.to_thread(node.is_over_at_its_provider_alone, entry))
        assert (await someone.rest.get(path))["state"] == "Approved"

    play(in_troupe, scene)
