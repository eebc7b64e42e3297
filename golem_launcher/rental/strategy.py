"""Our say in yapapi's market and payments: which offers are taken and which bills are accepted."""

from __future__ import annotations

import copy
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from yapapi.strategy import SCORE_REJECTED, MarketStrategy

from golem_launcher import clock
from golem_launcher.market.constraint import condition
from golem_launcher.rental.payment.bill_refusal import DEBIT_NOTE, INVOICE, BillRefusal, beyond_budget
from golem_launcher.rental.payment.debit_note_rate import DebitNoteRate
from golem_launcher.rental.payment.journal import TAG_PROPERTY
from golem_launcher.rental.payment_terms import EXPIRATION, terms
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.payment.money import Money

_LOG = logging.getLogger(__name__)
_REFUSED = Decimal("-Infinity")
"""yapapi accepts a bill when it is not above this."""


class LaunchStrategy(MarketStrategy):
    """Takes what :class:`Choice` takes; accepts a bill up to price times usage, held to our own clock."""

    def __init__(
        self,
        choice: Choice,
        journal: Journal,
        refused: Callable[[str, BillRefusal], None],
        money: Money,
    ) -> None:
        """``refused`` is called with an agreement and why its bill is not accepted."""
        self._choice = choice
        self._journal = journal
        self._refused = refused
        self._money = money
        self._rates: dict[str, DebitNoteRate] = {}

    async def decorate_demand(self, demand: Any) -> None:
        """Tag the demand, so that its agreements are found again."""
        await super().decorate_demand(demand)
        demand.ensure(condition("golem.com.pricing.model", "=", "linear"))
        demand.properties[TAG_PROPERTY] = self._journal.entries.tag

    async def score_offer(self, offer: Any) -> float:
        """The score of an offer; negative refuses it."""
        score = self._choice.score(offer.issuer, offer.props, answered=offer.is_draft)
        return SCORE_REJECTED if score is None else score

    async def respond_to_provider_offer(self, our_demand: Any, provider_offer: Any) -> Any:
        """Our demand with the payment terms of this offer."""
        demand = copy.deepcopy(our_demand)
        lasts = demand.properties[EXPIRATION] / 1000 - clock.told(clock.now()).timestamp()
        demand.properties.update(terms(provider_offer.props, lasts=lasts))
        return demand

    async def debit_note_accepted_amount(self, debit_note: Any) -> Decimal:
        """The note's amount, or less than any to ignore it."""
        agreement_id = debit_note.agreement_id
        if too_soon := self._rate(agreement_id).objection(payable=debit_note.payment_due_date is not None):
            amount = Decimal(debit_note.total_amount_due)
            self._refused(agreement_id, BillRefusal(at=clock.now(), bill=DEBIT_NOTE, amount=amount, why=too_soon))
            return _REFUSED
        amount = Decimal(debit_note.total_amount_due)
        return self._judge(agreement_id, amount, DEBIT_NOTE, activity_id=debit_note.activity_id)

    async def invoice_accepted_amount(self, invoice: Any) -> Decimal:
        """The invoice's amount, or less than any to ignore it."""
        return self._judge(invoice.agreement_id, Decimal(invoice.amount), INVOICE)

    def _rate(self, agreement_id: str) -> DebitNoteRate:
        if agreement_id not in self._rates:
            entry = self._journal.agreement(agreement_id)
            self._rates[agreement_id] = DebitNoteRate(entry.payment_timeout if entry else None)
        return self._rates[agreement_id]

    def _judge(self, agreement_id: str, amount: Decimal, what: str, *, activity_id: str | None = None) -> Decimal:
        refusal = self._objection(agreement_id, amount, what, activity_id)
        if refusal is None:
            self._money.promise(agreement_id, amount, activity_id=activity_id)
            return amount
        _LOG.warning("refused: %s %s", refusal.why, refusal.figures)
        self._refused(agreement_id, refusal)
        return _REFUSED

    def _objection(self, agreement_id: str, amount: Decimal, what: str, activity_id: str | None) -> BillRefusal | None:
        entry, money = self._journal.agreement(agreement_id), self._money
        coin = self._journal.entries.coin
        if entry is None:
            why = f"The provider sent {what} of {with_coin(amount, coin)} for an agreement that the session never made."
            return BillRefusal(at=clock.now(), bill=what, amount=amount, coin=coin, why=why)
        noted = money.noted(agreement_id, without=activity_id) if activity_id is not None else Decimal(0)
        refusal = entry.objection(what, amount, activity_id=activity_id, noted=noted)
        if refusal is None and activity_id is not None and money.is_settled(agreement_id):
            why = f"{what.capitalize()} of {with_coin(amount, coin)} came after the invoice that covers it."
            return BillRefusal(at=clock.now(), bill=what, amount=amount, coin=coin, why=why, dishonest=False)
        room = money.room(agreement_id, activity_id)
        if refusal is None and amount > room:
            return beyond_budget(what, amount, room, coin)
        return refusal
