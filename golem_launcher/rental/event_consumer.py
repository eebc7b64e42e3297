"""What yapapi tells while it works, turned into what a session knows: ids on disk, refusals, bills."""

from __future__ import annotations

import asyncio
import collections
import logging
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from yapapi import events

from golem_launcher.background_thread import run_in_background
from golem_launcher.errors import LauncherError
from golem_launcher.market import history
from golem_launcher.market.prices import Price
from golem_launcher.rental.payment.bill_refusal import INVOICE
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.rental.payment_terms import payment_timeout
from golem_launcher.untrusted_text import clean_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.payment.bill_refusal import BillRefusal
    from golem_launcher.rental.payment.money import Money

_CHOSEN = "golem.com.payment.chosen-platform"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_LOG = logging.getLogger(__name__)


class EventConsumer:
    """yapapi's event consumer: called before yapapi's next step, so ids are on disk by then."""

    def __init__(self, choice: Choice, journal: Journal, money: Money) -> None:
        self._choice = choice
        self._journal = journal
        self._money = money
        self.news = asyncio.Event()
        """An offer came, or one is off the table."""
        self.negotiating: dict[str, set[str]] = collections.defaultdict(set)
        """By yapapi's job, the providers whose offers we answer, or who have our answer and may still come to terms."""
        self.subscriptions: dict[str, Any] = {}
        """By yapapi's job, our demand on the market, as yapapi has it."""
        self.invoiced: dict[str, asyncio.Event] = collections.defaultdict(asyncio.Event)
        """By agreement: its invoice was accepted or refused."""
        self._hears: tuple[tuple[type, Callable[[Any], None]], ...] = (
            (events.SubscriptionCreated, self._published),
            (events.ProposalEvent, self._negotiates),
            (events.AgreementCreated, self._write_agreement),
            (events.AgreementConfirmed, self._agreed),
            (events.AgreementRejected, self._rejected),
            (events.WorkerStarted, self._works),
            (events.ActivityCreated, self._has_activity),
            (events.DebitNoteAccepted, self._note_accepted),
            (events.InvoiceReceived, self._invoice_received),
            (events.InvoiceAccepted, self._invoice_accepted),
            (events.PaymentFailed, self._not_paid),
        )

    def __call__(self, event: Any) -> None:
        """Take one event."""
        _LOG.debug("%s", event)
        for kind, hear in self._hears:
            if isinstance(event, kind):
                hear(event)
                return

    def _agreed(self, event: Any) -> None:
        entry = self._journal.agreement(event.agreement.id)
        if entry is not None:
            run_in_background(history.note_agreement, entry.provider_id, entry.provider_name)

    def _works(self, event: Any) -> None:
        self._journal.begin_activity(event.agreement.id)

    def _has_activity(self, event: Any) -> None:
        self._journal.update_agreement(event.agreement.id, activity_id=event.activity.id)

    def _note_accepted(self, event: Any) -> None:
        note = event.debit_note
        self._money.billed(event.agreement.id, Decimal(str(event.amount)), activity_id=str(note.activity_id))

    def _invoice_received(self, event: Any) -> None:
        self._money.invoice_came(event.agreement.id)

    def _invoice_accepted(self, event: Any) -> None:
        self._money.billed(event.agreement.id, Decimal(str(event.amount)))
        self.invoiced[event.agreement.id].set()

    def _not_paid(self, event: Any) -> None:
        self.invoiced[event.agreement.id].set()

    def _published(self, event: Any) -> None:
        self.subscriptions[event.job.id] = event.subscription

    def _negotiates(self, event: Any) -> None:
        if isinstance(event, events.ProposalReceived | events.ProposalResponded):
            self.negotiating[event.job.id].add(event.proposal.issuer)
        elif isinstance(event, events.ProposalConfirmed | events.ProposalRejected | events.ProposalFailed):
            self.negotiating[event.job.id].discard(event.proposal.issuer)
            self.news.set()

    def refused_terms(self, demand_id: str, provider_id: str, words: str) -> None:
        """A provider refused our terms: it is not waited for, and its ``words`` are kept. Called as yapapi hears it."""
        self._choice.refused_by(words)
        for job_id, subscription in self.subscriptions.items():
            if subscription.id == demand_id:
                self.negotiating[job_id].discard(provider_id)
        self.news.set()

    def refused_bill(self, agreement_id: str, refusal: BillRefusal) -> None:
        """Write down why a bill is refused, and blame the provider if it is dishonest. Called by the strategy."""
        entry = self._journal.agreement(agreement_id)
        if not refusal.dishonest:
            self._money.unpaid(agreement_id, refusal.why)
        else:
            if entry is not None and self._money.dispute(agreement_id) is None:
                why = f"{refusal.why} {refusal.figures}"
                run_in_background(history.note_overbilling, entry.provider_id, entry.provider_name, why)
            self._money.disputed(agreement_id, refusal.why)
        self._journal.refuse(agreement_id, refusal)
        if refusal.bill == INVOICE:
            self.invoiced[agreement_id].set()

    def _write_agreement(self, event: Any) -> None:
        agreement = event.agreement
        details = agreement.details
        properties = details.provider_view.properties
        try:
            price: Price | None = Price.of_offer(properties)
        except LauncherError:
            price = None  # its bills are then never accepted
        self._journal.add_agreement(
            AgreementEntry(
                agreement_id=agreement.id,
                provider_id=details.raw_details.offer.provider_id,
                provider_name=clean_name(str(properties.get("golem.node.id.name", ""))),
                price=price,
                wallet=_wallet(properties, details.requestor_view.properties),
                coin=self._journal.entries.coin,
                payment_timeout=payment_timeout(details.requestor_view.properties),
            )
        )

    def _rejected(self, event: Any) -> None:
        self.news.set()
        entry = self._journal.agreement(event.agreement.id)
        if entry is not None:
            self._choice.did_not_sign(entry.provider_id, entry.provider_name)


def _wallet(offer: dict[str, Any], demand: dict[str, Any]) -> str:
    """Who is paid for an agreement, as its offer says."""
    address = offer.get(f"golem.com.payment.platform.{demand.get(_CHOSEN)}.address")
    return address.lower() if isinstance(address, str) and _ADDRESS.fullmatch(address) else ""
