"""Our say in yapapi's market and payments: which offers are taken and which bills are accepted."""

from __future__ import annotations

import collections
import logging
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from yapapi.strategy import SCORE_REJECTED, MarketStrategy

from golem_launcher.market.prices import glm
from golem_launcher.session.pay.journal import TAG_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.session.hire.choice import Choice
    from golem_launcher.session.pay.journal import Journal

_LOG = logging.getLogger(__name__)
_REFUSED = Decimal("-Infinity")
"""yapapi accepts a bill when it is not above this."""

_MOST_NOTES = 40
_NOTES_SECONDS = 60.0
"""Providers send a note every minute or two; the local network's tests one a second."""

DEBIT_NOTE = "a debit note"
INVOICE = "an invoice"


class LaunchStrategy(MarketStrategy):  # type: ignore[misc]  # yapapi carries no types
    """Takes what :class:`Choice` takes; accepts a bill up to price times usage, held to our own clock."""

    def __init__(self, choice: Choice, journal: Journal, refused: Callable[[str, str, str], None]) -> None:
        """``refused`` is called with the agreement, the kind of bill (``a debit note``, ``an invoice``) and why."""
        self._choice = choice
        self._journal = journal
        self._refused = refused
        self._notes: dict[str, collections.deque[float]] = collections.defaultdict(
            lambda: collections.deque(maxlen=_MOST_NOTES + 1)
        )

    async def decorate_demand(self, demand: Any) -> None:
        """Tag the demand, so that its agreements are found again."""
        await super().decorate_demand(demand)
        demand.ensure("(golem.com.pricing.model=linear)")
        demand.properties[TAG_PROPERTY] = self._journal.entries.tag

    async def score_offer(self, offer: Any) -> float:
        """The score of an offer; negative refuses it."""
        score = self._choice.score(offer.issuer, offer.props)
        return SCORE_REJECTED if score is None else score

    async def debit_note_accepted_amount(self, debit_note: Any) -> Decimal:
        """The note's amount, or less than any to ignore it."""
        agreement_id = debit_note.agreement_id
        if self._floods(agreement_id):
            self._refused(
                agreement_id,
                DEBIT_NOTE,
                f"The provider sent more than {_MOST_NOTES} debit notes within {_NOTES_SECONDS:.0f} s. "
                "No more of them are accepted.",
            )
            return _REFUSED
        return self._judge(debit_note.agreement_id, Decimal(debit_note.total_amount_due), DEBIT_NOTE)

    async def invoice_accepted_amount(self, invoice: Any) -> Decimal:
        """The invoice's amount, or less than any to ignore it."""
        return self._judge(invoice.agreement_id, Decimal(invoice.amount), INVOICE)

    def _floods(self, agreement_id: str) -> bool:
        """Whether debit notes come far more often than anybody agrees to: each one is work for node and chain."""
        now = time.monotonic()
        times = self._notes[agreement_id]
        times.append(now)
        return len(times) > _MOST_NOTES and now - times[0] < _NOTES_SECONDS

    def _judge(self, agreement_id: str, amount: Decimal, what: str) -> Decimal:
        entry = self._journal.agreement(agreement_id)
        objection = entry.objection(what, amount) if entry else f"Nobody knows what {what} of {glm(amount)} is for."
        if not objection:
            return amount
        _LOG.warning("refused: %s", objection)
        self._refused(agreement_id, what, objection)
        return _REFUSED
