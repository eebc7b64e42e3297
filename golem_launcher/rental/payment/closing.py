"""Closes down whatever a session left at its node, from its journal. Idempotent; for every end and after a crash."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.background_thread import run_in_background
from golem_launcher.errors import NodeError, NodeRefused, NodeUnreachable
from golem_launcher.market import history
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.bill_refusal import INVOICE, beyond_budget
from golem_launcher.rental.payment.journal import TAG_PROPERTY, AgreementEntry
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.node.node import Node
    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.payment.bill_refusal import BillRefusal
    from golem_launcher.rental.payment.journal import Journal

_LOG = logging.getLogger(__name__)

_MARGIN = timedelta(minutes=1)
"""Agreements bear the time of our own node: its clock is this computer's, or nearly."""
_PROVIDER_SECONDS = 4.0
"""How long the provider's side may take to answer that it is over; it is not needed for it to be over."""
_INVOICE_POLL_SECONDS = 0.25
_LATE = timedelta(minutes=10)
"""How long a provider is waited for after the session that did not send its invoice at once, or hear of the end."""
_LIVING = {"Pending", "Approving", "Approved"}
"""States of an agreement that binds, or may."""
_OPEN_INVOICES = {"ISSUED", "RECEIVED"}


async def close_down(rest: YagnaRest, journal: Journal, *, invoice_seconds: float = 0.0) -> None:
    """Terminate agreements, destroy activities, accept their invoices, release the allocation, remove the network.

    Waits at most ``invoice_seconds`` for invoices. For those that are late, what they may be is kept aside for a while,
    and the journal stays open: another call goes on. So it does while an agreement can't be ended because its provider
    does not answer, and when the node does not let us finish, which raises ``NodeError``.
    """
    if not journal.entries.owes:
        return
    try:
        untold = [] if journal.entries.lingers else await _find_forgotten(rest, journal)
    except NodeError:
        journal.give_up(clock.now())  # it can't be told that it is over: no time is paid for until it can
        raise
    living = [entry for entry in journal.entries.agreements if not entry.over]
    ends = (end_agreement(rest, journal, entry) for entry in living)
    failures = [one for one in await asyncio.gather(*ends, return_exceptions=True) if one is not None]
    if failures:
        raise failures[0]
    if journal.entries.network_id is not None and not journal.entries.lingers:
        await rest.remove_network(journal.entries.network_id)
    late = False
    if journal.entries.allocation_id is not None:
        late = await _accept_invoices(rest, journal, seconds=invoice_seconds) and await _await_late(rest, journal)
        if not late:
            await rest.release_allocation(journal.entries.allocation_id)
    if untold:  # what is known is closed down; there may be more
        raise untold[0]
    asks = _asks_again(journal)
    if not (late or asks):
        journal.update(closed=True)
    await bills.keep(rest, journal)


async def close_wherever(
    rest: YagnaRest, find: Callable[[], Node | None], journal: Journal, *, invoice_seconds: float
) -> None:
    """``close_down`` at the node that the session knows, or where ``find`` (blocks) finds it. Raises ``NodeError``."""
    try:
        await close_down(rest, journal, invoice_seconds=invoice_seconds)
    except NodeUnreachable:
        node = await asyncio.to_thread(find)
        if node is None:
            raise
        rest.follow(node)
        await close_down(rest, journal, invoice_seconds=invoice_seconds)


def _asks_again(journal: Journal) -> bool:
    """Whether agreements that could not be ended are to be ended later: a provider may only be slow to answer."""
    living = [entry for entry in journal.entries.agreements if not entry.over]
    if not living:
        return False
    until = journal.entries.asks_until
    if until is None:
        until = clock.now() + _LATE
        journal.update(asks_until=until)
    if clock.now() < until:
        return True
    for entry in living:
        _LOG.warning("the agreement %s ends by itself: its provider never heard that it is over", entry.agreement_id)
    return False


async def _await_late(rest: YagnaRest, journal: Journal) -> bool:
    """Whether invoices that are late are still waited for; at first, what can't be needed for them is given back."""
    until = journal.entries.awaits_until
    if until is not None:
        return clock.now() < until
    until = clock.now() + _LATE
    journal.update(awaits_until=until)
    most = sum((one.cost for one in await bills.collect(rest, journal)), Decimal(0))
    for allocation in await rest.allocations():
        if allocation.get("allocationId") == journal.entries.allocation_id:  # the user's word, whatever may be owed
            most = min(most, Decimal(str(allocation["totalAmount"])), journal.entries.budget or most)
    try:
        await rest.amend_allocation(
            str(journal.entries.allocation_id), amount=most, timeout=clock.told(until + _MARGIN)
        )
    except NodeRefused as error:
        _LOG.info("all of the allocation is kept until the invoice comes: %s", error)
    return True


async def _find_forgotten(rest: YagnaRest, journal: Journal) -> list[NodeRefused]:
    """Complete the journal with what was begun but whose id never reached it; what the node could not tell of."""
    await _find_allocation(rest, journal)
    await _find_network(rest, journal)
    untold = await _find_agreements(rest, journal) if journal.entries.demanded else []
    for entry in journal.entries.agreements:
        if entry.activity_id is None:
            try:
                activities = await rest.activities(entry.agreement_id)
            except NodeRefused as error:
                untold += [] if error.unknown else [error]
                continue
            if activities:
                journal.update_agreement(entry.agreement_id, activity_id=activities[-1])
    return untold


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


async def _find_agreements(rest: YagnaRest, journal: Journal) -> list[NodeRefused]:
    untold = []
    known = {entry.agreement_id for entry in journal.entries.agreements}
    for listed in await rest.agreements(journal.entries.opened_at - _MARGIN):
        agreement_id = str(listed.get("id") or listed.get("agreementId"))
        if agreement_id in known:
            continue
        try:
            agreement = await rest.agreement(agreement_id)
        except NodeRefused as error:
            untold += [] if error.unknown else [error]
            continue
        if agreement.get("demand", {}).get("properties", {}).get(TAG_PROPERTY) != journal.entries.tag:
            continue
        provider = str(agreement.get("offer", {}).get("providerId", ""))
        # Without a price: it never came to work, so there is nothing it may bill.
        journal.add_agreement(
            AgreementEntry(agreement_id=agreement_id, provider_id=provider, provider_name="", price=None)
        )
    return untold


async def end_agreement(rest: YagnaRest, journal: Journal, entry: AgreementEntry) -> None:
    """End one agreement and its activity, whether the provider is still there or not. Raises ``NodeUnreachable``.

    A node ends an agreement once the provider has answered, and not before: until then the journal has it as not
    ``over``. Given up it is in any case: what is worked after the first attempt is not paid.
    """
    heard, over = [False], False
    try:
        if entry.activity_id is None:  # the provider may not have signed it yet
            await _ask_provider(rest.cancel_agreement(entry.agreement_id, "The session ended"), "cancel the agreement")
        calls = [_ask_provider(rest.terminate_agreement(entry.agreement_id, "The session ended"), "end the agreement")]
        if entry.activity_id is not None:
            calls.append(_ask_provider(rest.destroy_activity(entry.activity_id), "destroy the activity"))
        heard = await asyncio.gather(*calls)
        over = await _is_over(rest, entry.agreement_id)
    finally:
        entry = journal.agreement(entry.agreement_id) or entry
        unheard = entry.unheard or not any(heard)
        journal.note(entry.agreement_id, ended_at=entry.ended_at or clock.now(), unheard=unheard, over=over)


async def _is_over(rest: YagnaRest, agreement_id: str) -> bool:
    """Whether an agreement binds nobody any more, as the node has it."""
    try:
        return (await rest.agreement(agreement_id)).get("state") not in _LIVING
    except NodeRefused as error:  # of one that it can't tell of just now it is asked again
        return error.unknown


async def _ask_provider(call: Awaitable[None], what: str) -> bool:
    """Do something that needs the provider's answer; whether it came. One that is gone can't hold anything any more."""
    try:
        await wait_for(call, _PROVIDER_SECONDS)
    except (TimeoutError, NodeRefused) as error:
        _LOG.warning("could not %s: %s", what, error)
        return False
    return True


async def _accept_invoices(rest: YagnaRest, journal: Journal, *, seconds: float) -> bool:
    """Accept what came, or comes in time; whether one that is worth waiting for has not come."""
    entries = [entry for entry in journal.entries.agreements if entry.activity_id is not None]
    waiting = {entry.agreement_id: entry for entry in entries}
    end = asyncio.get_running_loop().time() + seconds
    while waiting:
        invoices = await rest.invoices(journal.entries.opened_at - bills.CLOCKS_APART)
        for entry in (*waiting.values(),):
            its = [one for one in invoices if one.get("agreementId") == entry.agreement_id]
            if any(one.get("status") not in _OPEN_INVOICES for one in its) or await _settle(rest, its, entry, journal):
                del waiting[entry.agreement_id]
        patient = any(entry.lost_at is None for entry in waiting.values())
        if not patient or asyncio.get_running_loop().time() >= end:
            return patient
        await asyncio.sleep(_INVOICE_POLL_SECONDS)
    return False


async def _settle(rest: YagnaRest, invoices: list[dict[str, Any]], entry: AgreementEntry, journal: Journal) -> bool:
    """Accept one of an agreement's invoices, the newest first, or refuse it; whether that is done."""
    if entry.refused and invoices:
        return True
    for invoice in sorted(invoices, key=lambda one: str(one.get("timestamp", "")), reverse=True):
        amount = str(invoice["amount"])
        refusal = entry.objection(INVOICE, Decimal(amount)) or await _beyond_budget(
            rest, journal, entry, Decimal(amount)
        )
        if refusal is not None:
            _refuse(journal, entry, refusal)
            return True
        try:
            allocation_id = str(journal.entries.allocation_id)
            await rest.accept_invoice(str(invoice["invoiceId"]), amount=amount, allocation_id=allocation_id)
        except NodeError as error:  # it may be less than what was accepted before, and another one may come
            _LOG.warning("an invoice was not accepted: %s", error)
        else:
            return True
    return False


async def _beyond_budget(
    rest: YagnaRest, journal: Journal, entry: AgreementEntry, amount: Decimal
) -> BillRefusal | None:
    """Why an invoice is more than what the user gave: the node may have reserved more, where an answer was lost."""
    if journal.entries.budget is None:
        return None
    others = (one for one in await bills.collect(rest, journal) if one.agreement_id != entry.agreement_id)
    room = max(journal.entries.budget - sum((one.committed for one in others), Decimal(0)), Decimal(0))
    return beyond_budget(INVOICE, amount, room, journal.entries.coin) if amount > room else None


def _refuse(journal: Journal, entry: AgreementEntry, refusal: BillRefusal) -> None:
    _LOG.warning("unpaid: %s %s", refusal.why, refusal.figures)
    journal.refuse(entry.agreement_id, refusal)
    if refusal.dishonest:
        why = f"{refusal.why} {refusal.figures}"
        run_in_background(history.note_overbilling, entry.provider_id, entry.provider_name, why)


def _same_moment(text: Any, moment: datetime) -> bool:
    try:
        return abs(datetime.fromisoformat(str(text)) - moment) < timedelta(microseconds=2)
    except (TypeError, ValueError):
        return False
