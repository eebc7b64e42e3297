"""What a session was billed: for each agreement its time, usage, price, debit notes, invoice, and how far it is paid.

Kept in the session's directory when it is closed down, because the node may be another one, or gone, later. Payments
are sent in batches long after that (a day on the real networks), so where the node is at hand it is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from golem_launcher import clock, files
from golem_launcher.errors import LauncherError, NodeError
from golem_launcher.events import Stage
from golem_launcher.market.wallet import transaction_of
from golem_launcher.networks import NETWORKS
from golem_launcher.session.pay.evidence import Refusal
from golem_launcher.session.pay.journal import Journal
from golem_launcher.session.pay.yagna import YagnaRest
from golem_launcher.untrusted import number

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.events import SessionState
    from golem_launcher.node.node import Node
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session.pay.journal import AgreementEntry

_LOG = logging.getLogger(__name__)

FILE = "bill.json"
_COUNT = {"ACCEPTED", "SETTLED"}
"""The states of an invoice that is to be paid; another one beside it changes nothing."""
CLOCKS_APART = timedelta(hours=12)
"""Bills bear the time of their provider's clock, which may be slow; whose they are is seen by their agreement."""
PENDING = ("billed", "accepted")
"""States of a bill that may have changed since it was kept."""
_LEAST_STATES = ("nothing was billed", "billed", "accepted", "paid")


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
    refusals: tuple[Refusal, ...] = ()
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


class Bill(BaseModel):
    """A session's bill."""

    model_config = ConfigDict(frozen=True)

    session: str
    network: str
    token: str
    stage: str
    budget: Decimal
    cost: Decimal
    """By our own reckoning while it runs, by its invoices in the end."""
    at_most: bool = False
    """Whether an invoice is missing, so that the cost is the most that is owed."""
    created_at: datetime
    ready_at: datetime | None
    ended_at: datetime | None
    ran_seconds: float | None = None
    """How long its Lab was there, by a clock that never jumps; ``None`` where only the time of day can tell."""
    settles: bool = True
    """Whether bills are paid at all; on the local network, only with a chain."""
    agreements: tuple[AgreementBill, ...] = ()

    @property
    def seconds(self) -> float:
        """How long its Lab was there."""
        if self.ready_at is None:
            return 0.0
        if self.ran_seconds is not None:
            return self.ran_seconds
        return max(0.0, ((self.ended_at or datetime.now(UTC)) - self.ready_at).total_seconds())

    @property
    def state(self) -> str:
        """How far it is paid, in words: the agreement that is furthest behind decides."""
        if not self.settles:
            return "nothing is settled"
        if self.at_most:
            return "owed at most"
        billed = [one.state for one in self.agreements if one.state != _LEAST_STATES[0]]
        return min(billed, key=_LEAST_STATES.index, default=_LEAST_STATES[0])


async def keep(rest: YagnaRest, journal: Journal) -> None:
    """Write down what the node knows of this session's bills. Never raises: a bill is no reason not to close down."""
    try:
        _write(journal.directory, await collect(rest, journal))
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


def _pays(payment: dict[str, Any], entry: AgreementEntry) -> bool:
    paid = {part.get("agreementId") for part in payment.get("agreementPayments") or ()}
    activities = {part.get("activityId") for part in payment.get("activityPayments") or ()}
    return entry.agreement_id in paid or entry.activity_id in activities


def bill(directory: SessionDirectory, node: Node | None = None) -> Bill:
    """The bill of a session; ``node`` is asked how far it is paid, which is kept. Blocking. ``SessionNotFound``."""
    state = directory.state()
    kept = _kept(directory)
    journal = Journal.read(directory.path)
    if journal is not None and node is not None and journal.entries.agreements:
        with contextlib.suppress(LauncherError):
            fresh = asyncio.run(_ask(node, journal))
            known = {one.agreement_id: one for one in kept}
            kept = [known[one.agreement_id] if _lost(one, known) else one for one in fresh]
            if journal.entries.closed and [*known.values()] != kept:
                with contextlib.suppress(OSError):
                    _write(directory.path, kept)
    elif journal is not None and not kept:
        kept = [_agreement_bill(entry, [], [], [], awaits=False) for entry in journal.entries.agreements]
    return _bill(state, kept, settles=_settles(state, journal))


def cost_of(directory: SessionDirectory, reckoned: Decimal) -> tuple[Decimal, bool]:
    """What a session that has ended cost, and whether that is only the most that it can be.

    By its invoices; for an agreement without one by what was accepted of it, or may still be. Where nothing is kept of
    its bills, it is what we ``reckoned``.
    """
    kept = {one.agreement_id: one for one in _kept(directory)}
    journal = Journal.read(directory.path)
    worked = [one for one in journal.entries.agreements if one.activity_id is not None] if journal else []
    if not all(one.agreement_id in kept for one in worked):
        return reckoned, bool(worked)
    found = [kept[one.agreement_id] for one in worked]
    return sum((one.cost for one in found), Decimal(0)), any(one.cost > 0 and not one.settled for one in found)


def _lost(fresh: AgreementBill, known: dict[str, AgreementBill]) -> bool:
    """Whether the node no longer knows what it knew: it is another one."""
    old = known.get(fresh.agreement_id)
    return old is not None and old.invoiced is not None and fresh.invoiced is None


async def _ask(node: Node, journal: Journal) -> list[AgreementBill]:
    async with YagnaRest(node) as rest:
        return await collect(rest, journal)


def _bill(state: SessionState, agreements: list[AgreementBill], *, settles: bool) -> Bill:
    ready = next((at for stage, at in state.stages if stage is Stage.READY), None)
    return Bill(
        session=state.name,
        network=state.network,
        token=NETWORKS[state.network].token if state.network in NETWORKS else "GLM",
        stage=state.stage.value,
        budget=state.budget,
        cost=state.cost,
        at_most=state.owed_at_most,
        created_at=state.created_at,
        ready_at=ready,
        ended_at=state.ended_at,
        ran_seconds=_ran(state),
        settles=settles,
        agreements=tuple(agreements),
    )


def _settles(state: SessionState, journal: Journal | None) -> bool:
    """Whether the session's bills are paid; where that depended on the day, by what it was when the session began."""
    network = NETWORKS.get(state.network)
    return network is None or network.settles or (journal is not None and journal.entries.settles)


def _ran(state: SessionState) -> float | None:
    if state.stage.final or state.ready_since_boot is None:
        return state.ran_seconds
    ran = clock.since_boot() - state.ready_since_boot
    return ran if ran >= 0 else None  # the computer was started anew: its supervisor is dead


def _write(directory: Path, agreements: list[AgreementBill]) -> None:
    files.write_json(directory / FILE, [one.model_dump(mode="json") for one in agreements])


def _kept(directory: SessionDirectory) -> list[AgreementBill]:
    value = files.read_json(directory.path / FILE)
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
        per_hour=entry.price.per_hour() if entry.price else None,
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
