"""Closes down whatever a session left at its node, from its journal. Idempotent; for every end and after a crash."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeError, NodeRefused
from golem_launcher.later import later
from golem_launcher.market import history
from golem_launcher.session.pay import bills
from golem_launcher.session.pay.journal import TAG_PROPERTY, AgreementEntry
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from golem_launcher.session.pay.journal import Journal
    from golem_launcher.session.pay.yagna import YagnaRest

_LOG = logging.getLogger(__name__)

_MARGIN = timedelta(minutes=1)
"""Agreements bear the time of our own node: its clock is this computer's, or nearly."""
_PROVIDER_SECONDS = 4.0
"""How long the provider's side may take to answer that it is over; it is not needed for it to be over."""
_INVOICE_POLL_SECONDS = 0.25
_OPEN_INVOICES = {"ISSUED", "RECEIVED"}


async def close_down(rest: YagnaRest, journal: Journal, *, invoice_seconds: float = 0.0) -> None:
    """Terminate agreements, destroy activities, accept their invoices, release the allocation, remove the network.

    Waits at most ``invoice_seconds`` for invoices. Raises ``NodeError`` when the node does not let us finish; then
    the journal stays open and another call goes on.
    """
    if not journal.entries.owes:
        return
    await _find_forgotten(rest, journal)
    await asyncio.gather(*(end_agreement(rest, entry) for entry in journal.entries.agreements))
    if journal.entries.allocation_id is not None:
        await _accept_invoices(rest, journal, seconds=invoice_seconds)
        await rest.release_allocation(journal.entries.allocation_id)
    if journal.entries.network_id is not None:
        await rest.remove_network(journal.entries.network_id)
    await bills.keep(rest, journal)
    journal.update(closed=True)


async def _find_forgotten(rest: YagnaRest, journal: Journal) -> None:
    """Complete the journal with what was begun but whose id never reached it."""
    await _find_allocation(rest, journal)
    await _find_network(rest, journal)
    if journal.entries.demanded:
        await _find_agreements(rest, journal)
    for entry in journal.entries.agreements:
        if entry.activity_id is None:
            activities = await _of_agreement(rest, entry.agreement_id)
            if activities:
                journal.update_agreement(entry.agreement_id, activity_id=activities[-1])


async def _find_allocation(rest: YagnaRest, journal: Journal) -> None:
    timeout = journal.entries.allocation_timeout
    if timeout is not None and journal.entries.allocation_id is None:
        for allocation in await rest.allocations():
            if _same_moment(allocation.get("timeout"), timeout):
                journal.update(allocation_id=str(allocation["allocationId"]))


async def _find_network(rest: YagnaRest, journal: Journal) -> None:
    address = journal.entries.network_address
    if address is not None and journal.entries.network_id is None:
        for network in await rest.networks():
            if str(network.get("ip", "")).split("/")[0] == address.split("/")[0]:
                journal.update(network_id=str(network["id"]))


async def _find_agreements(rest: YagnaRest, journal: Journal) -> None:
    known = {entry.agreement_id for entry in journal.entries.agreements}
    for listed in await rest.agreements(journal.entries.opened_at - _MARGIN):
        agreement_id = str(listed.get("id") or listed.get("agreementId"))
        if agreement_id in known:
            continue
        try:
            agreement = await rest.agreement(agreement_id)
        except NodeRefused:
            continue
        if agreement.get("demand", {}).get("properties", {}).get(TAG_PROPERTY) != journal.entries.tag:
            continue
        provider = str(agreement.get("offer", {}).get("providerId", ""))
        # Without a price: it never came to work, so there is nothing it may bill.
        journal.add_agreement(
            AgreementEntry(agreement_id=agreement_id, provider_id=provider, provider_name="", price=None)
        )


async def _of_agreement(rest: YagnaRest, agreement_id: str) -> list[str]:
    try:
        return await rest.activities(agreement_id)
    except NodeRefused:
        return []


async def end_agreement(rest: YagnaRest, entry: AgreementEntry) -> None:
    """End one agreement and its activity, whether the provider is still there or not. Raises ``NodeUnreachable``."""
    if entry.activity_id is None:  # the provider may not have signed it yet
        await _ask_provider(rest.cancel_agreement(entry.agreement_id, "The session ended"), "cancel the agreement")
    calls = [_ask_provider(rest.terminate_agreement(entry.agreement_id, "The session ended"), "end the agreement")]
    if entry.activity_id is not None:
        calls.append(_ask_provider(rest.destroy_activity(entry.activity_id), "destroy the activity"))
    await asyncio.gather(*calls)


async def _ask_provider(call: Awaitable[None], what: str) -> None:
    """Do something that needs the provider's answer; a provider that is gone can't hold anything any more."""
    try:
        await wait_for(call, _PROVIDER_SECONDS)
    except (NodeRefused, asyncio.TimeoutError) as error:
        _LOG.warning("could not %s: %s", what, error)


async def _accept_invoices(rest: YagnaRest, journal: Journal, *, seconds: float) -> None:
    entries = [entry for entry in journal.entries.agreements if entry.activity_id is not None]
    waiting = {entry.agreement_id: entry for entry in entries}
    end = asyncio.get_running_loop().time() + seconds
    while waiting:
        for invoice in await rest.invoices(journal.entries.opened_at - bills.CLOCKS_APART):
            entry = waiting.pop(str(invoice.get("agreementId")), None)
            if entry is not None:
                await _accept_invoice(rest, invoice, entry, journal)
        patient = any(entry.lost_at is None for entry in waiting.values())
        if not patient or asyncio.get_running_loop().time() >= end:
            return
        await asyncio.sleep(_INVOICE_POLL_SECONDS)


async def _accept_invoice(rest: YagnaRest, invoice: dict[str, Any], entry: AgreementEntry, journal: Journal) -> None:
    if invoice.get("status") not in _OPEN_INVOICES or entry.refused:
        return
    amount = str(invoice["amount"])
    objection = entry.objection("an invoice", Decimal(amount))
    if objection:
        _LOG.warning("unpaid: %s", objection)
        journal.update_agreement(entry.agreement_id, refused=objection)
        later(history.note_overbilling, entry.provider_id, entry.provider_name, objection)
        return
    allocation_id = str(journal.entries.allocation_id)
    try:
        await rest.accept_invoice(str(invoice["invoiceId"]), amount=amount, allocation_id=allocation_id)
    except NodeError as error:
        _LOG.warning("an invoice was not accepted: %s", error)


def _same_moment(text: Any, moment: datetime) -> bool:
    try:
        return abs(datetime.fromisoformat(str(text).replace("Z", "+00:00")) - moment) < timedelta(microseconds=2)
    except (TypeError, ValueError):
        return False
