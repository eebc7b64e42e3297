"""What was billed for each agreement: its usage, price, debit notes, invoice, and how far it is paid.

Kept in the session's directory when it is closed down, because the node may be another one, or gone, later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from golem_launcher import files
from golem_launcher.errors import NodeError
from golem_launcher.market.wallet import transaction_of
from golem_launcher.rental.payment.bill_refusal import BillRefusal
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.untrusted_json import number

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.payment.journal import AgreementEntry

_LOG = logging.getLogger(__name__)

FILE = "bill.json"
_COUNT = {"ACCEPTED", "SETTLED"}
"""The states of an invoice that is to be paid; another one beside it changes nothing."""
CLOCKS_APART = timedelta(hours=12)
"""Bills bear the time of their provider's clock, which may be slow; whose they are is seen by their agreement."""


class AgreementBill(BaseModel):
    """One agreement's bill. Amounts in the network's token."""

    model_config = ConfigDict(frozen=True)

    agreement_id: str
    provider_id: str
    provider_name: str
    started_at: datetime | None = None
    start_fee: Decimal = Decimal(0)
    per_hour: Decimal | None = None
    """At full load."""
    usage: dict[str, float] = {}
    """By counter, as the provider reported it last."""
    debit_notes: int = 0
    debited: Decimal = Decimal(0)
    """The last debit note of each activity, which covers those before it."""
    debit_state: str = ""
    """Of the last debit note."""
    accepted: Decimal = Decimal(0)
    """What was accepted of the debit notes; the last one may not be, or not yet."""
    invoiced: Decimal | None = None
    invoice_state: str = ""
    """``RECEIVED``, ``ACCEPTED``, ``SETTLED`` and so on, as yagna calls it; empty when none came."""
    refused: str = ""
    """Why the invoice is not accepted, in words; empty when it is."""
    refusals: tuple[BillRefusal, ...] = ()
    """Each bill that was not accepted, with the figures that led to it."""
    owed: Decimal = Decimal(0)
    """While an invoice is waited for, or for the node to accept it: the most that it will be accepted for."""
    transactions: tuple[str, ...] = ()
    """The hashes of the transactions on the chain that paid for it; one may pay for others as well."""

    @property
    def settled(self) -> bool:
        """Whether what it costs is known for good: its invoice is accepted."""
        return self.invoiced is not None and self.invoice_state in _COUNT

    @property
    def committed(self) -> Decimal:
        """What was accepted of it; an invoice below its debit notes gives nothing back."""
        return max(self.accepted, (self.invoiced or Decimal(0)) if self.settled else Decimal(0))

    @property
    def cost(self) -> Decimal:
        """What was or will be paid for it; before its invoice is there, at most."""
        if self.settled:
            return self.invoiced or Decimal(0)
        return max(self.accepted, self.owed)

    @property
    def state(self) -> str:
        """How far it is paid, in words."""
        if self.invoice_state == "SETTLED":
            return "paid"
        if self.invoice_state == "ACCEPTED":
            return "accepted"
        if self.invoiced is not None or self.debit_notes:
            return "billed"
        return "nothing was billed"


async def keep(rest: YagnaRest, journal: Journal) -> None:
    """Write down what the node knows of this session's bills. Never raises: a bill is no reason not to close down."""
    try:
        write(journal.directory, await collect(rest, journal))
    except (NodeError, OSError) as error:
        _LOG.warning("the bill was not kept: %s", error)


async def collect(rest: YagnaRest, journal: Journal) -> list[AgreementBill]:
    """The bills of a session's agreements, as its node knows them. Raises ``NodeError``."""
    after = journal.entries.opened_at - CLOCKS_APART
    invoices, notes, payments = await asyncio.gather(
        rest.invoices(after), rest.debit_notes(after), rest.payments(after)
    )
    awaits = journal.entries.awaits_until is not None and not journal.entries.closed
    return [
        _agreement_bill(
            entry,
            [one for one in invoices if one.get("agreementId") == entry.agreement_id],
            [one for one in notes if one.get("agreementId") == entry.agreement_id],
            [transaction_of(one.get("details")) for one in payments if _pays(one, entry)],
            awaits=awaits,
        )
        for entry in journal.entries.agreements
    ]


def unbilled(journal: Journal) -> list[AgreementBill]:
    """The agreements of a journal as bills of nothing, for a session whose node can't be asked."""
    return [_agreement_bill(entry, [], [], [], awaits=False) for entry in journal.entries.agreements]


def _pays(payment: dict[str, Any], entry: AgreementEntry) -> bool:
    paid = {part.get("agreementId") for part in payment.get("agreementPayments") or ()}
    activities = {part.get("activityId") for part in payment.get("activityPayments") or ()}
    return entry.agreement_id in paid or entry.activity_id in activities


def cost_of(directory: Path, reckoned: Decimal) -> tuple[Decimal, bool]:
    """What a session that has ended cost, and whether that is only the most that it can be.

    By its invoices; for an agreement without one by what was accepted of it, or may still be. Where nothing is kept of
    its bills, or it can't be read whose they are, it is what we ``reckoned``.
    """
    journal = Journal.read(directory)
    if journal is None:
        return reckoned, reckoned > 0
    known = {one.agreement_id: one for one in kept(directory)}
    worked = [one for one in journal.entries.agreements if one.activity_id is not None]
    if not all(one.agreement_id in known for one in worked):
        return reckoned, bool(worked)
    found = [known[one.agreement_id] for one in worked]
    return sum((one.cost for one in found), Decimal(0)), any(one.cost > 0 and not one.settled for one in found)


def write(directory: Path, agreements: list[AgreementBill]) -> None:
    """Keep the bills of a session's agreements in its directory. Raises ``OSError``."""
    files.write_json(directory / FILE, [one.model_dump(mode="json") for one in agreements])


def kept(directory: Path) -> list[AgreementBill]:
    """The bills that were kept there, as far as they can be read."""
    value = files.read_json(directory / FILE)
    found = []
    for one in value if isinstance(value, list) else []:
        with contextlib.suppress(ValidationError):
            found.append(AgreementBill.model_validate(one))
    return found


def _agreement_bill(
    entry: AgreementEntry,
    invoices: list[dict[str, Any]],
    notes: list[dict[str, Any]],
    transactions: list[str],
    *,
    awaits: bool,
) -> AgreementBill:
    last = max(notes, key=lambda note: str(note.get("timestamp", "")), default=None)
    accepted = [note for note in notes if note.get("status") in _COUNT]
    invoice = max(invoices, key=lambda one: (one.get("status") in _COUNT, str(one.get("timestamp", ""))), default=None)
    settled = invoice is not None and invoice.get("status") in _COUNT
    waits = awaits and not settled and not (invoice and entry.refused) and entry.lost_at is None
    usage = (last.get("usageCounterVector") if last else None) or list(entry.last_usage or ())
    counters = entry.price.counters if entry.price else ()
    numbers = [found for value in usage if (found := number(value)) is not None] if isinstance(usage, list) else []
    return AgreementBill(
        agreement_id=entry.agreement_id,
        provider_id=entry.provider_id,
        provider_name=entry.provider_name,
        started_at=entry.started_at,
        start_fee=entry.price.start if entry.price else Decimal(0),
        per_hour=entry.price_per_hour,
        usage=dict(zip(counters, numbers, strict=False)),
        debit_notes=len(notes),
        debited=_covered(notes),
        debit_state=str(last.get("status", "")) if last else "",
        accepted=_covered(accepted),
        invoiced=Decimal(str(invoice["amount"])) if invoice else None,
        invoice_state=str(invoice.get("status", "")) if invoice else "",
        refused="" if settled else entry.refused,
        refusals=entry.refusals,
        owed=entry.acceptable() if waits else Decimal(0),
        transactions=tuple(transaction for transaction in transactions if transaction),
    )


def _covered(notes: list[dict[str, Any]]) -> Decimal:
    """What debit notes are about together: the last of an activity covers those before it."""
    last = {note.get("activityId"): note for note in sorted(notes, key=lambda note: str(note.get("timestamp", "")))}
    return sum((Decimal(str(note["totalAmountDue"])) for note in last.values()), Decimal(0))
