"""Bills like a provider: debit notes during an activity, an invoice at the agreement's end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import NodeError
from golem_launcher.node.rest_client import NodeRest, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.localnet.misbehaviour import Misbehaviour

_log = logging.getLogger(__name__)

_SMALLEST = Decimal(10) ** -18  # GLM has 18 decimals
_SEND_SECONDS = 5.0
_HOUR = 3600.0
_LOOK_AGAIN_SECONDS = 1.0
_INVOICE_DUE = timedelta(days=1)


def amount_due(coefficients: Sequence[float], usage: Sequence[float], *, factor: float = 1.0) -> Decimal:
    """Price times usage in GLM: ``coefficients`` as the offer has them, one per counter and the fixed price last.

    A counter without a price costs nothing, and a price without a counter neither: an offer may be made up.
    """
    *per_unit, fixed = (Decimal(str(value)) for value in coefficients or (0.0,))
    total = fixed + sum(
        (price * Decimal(str(used)) for price, used in zip(per_unit, usage, strict=False)), start=Decimal(0)
    )
    return (total * Decimal(str(factor))).quantize(_SMALLEST, rounding=ROUND_DOWN)


@dataclass
class Bills:
    """The debit notes and the invoice of one agreement."""

    rest: NodeRest
    agreement_id: str
    coefficients: tuple[float, ...]
    misbehaviour: Misbehaviour
    payment_timeout: float | None = None
    """Seconds between debit notes that are to be paid, and to pay one; ``None`` when nothing is paid on the way."""
    is_paid: bool = False
    """Whether those are really paid: without a chain nothing is."""
    unsent_since: float | None = None
    """Since when (monotonic clock) no debit note reached the requestor."""
    totals: dict[str, Decimal] = field(default_factory=dict)
    """What each activity costs so far; GLM."""
    _open: dict[str, float] = field(default_factory=dict)
    _unpaid: dict[str, float] = field(default_factory=dict)
    """Debit notes that are to be paid, and when their time is up (monotonic clock)."""
    _paid_note: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> Decimal:
        """What the agreement costs so far; GLM."""
        return sum(self.totals.values(), start=Decimal(0))

    async def debit(self, activity_id: str, usage: Sequence[float], *, last: bool = False) -> None:
        """Send a debit note about all that the activity used so far; the ``last`` one is always to be paid."""
        amount = amount_due(self.coefficients, usage, factor=self.misbehaviour.overbill)
        self.totals[activity_id] = amount
        note = {"activityId": activity_id, "totalAmountDue": f"{amount:f}", "usageCounterVector": list(usage)}
        if self.payment_timeout is not None and self._to_be_paid(self.payment_timeout, last=last):
            note["paymentDueDate"] = timestamp(datetime.now(UTC) + timedelta(seconds=self.payment_timeout))
        try:
            issued = await self.rest.post("/payment-api/v1/debitNotes", note)
            identifier = str(issued["debitNoteId"])
            self._open[identifier] = time.monotonic()
            if self.is_paid and self.payment_timeout is not None and "paymentDueDate" in note:
                self._unpaid[identifier] = time.monotonic() + self.payment_timeout
            await self.rest.post(f"/payment-api/v1/debitNotes/{identifier}/send", timeout=_SEND_SECONDS)
            self.unsent_since = None
        except NodeError as error:
            self.unsent_since = self.unsent_since or time.monotonic()
            _log.warning("a debit note over %s GLM could not be sent: %s", amount, error)

    def _to_be_paid(self, timeout: float, *, last: bool) -> bool:
        """Whether the time has come for a note that is to be paid before the agreement ends."""
        now = time.monotonic()
        if not last and now < self._paid_note + timeout:
            return False
        self._paid_note = now
        return True

    async def oldest_unaccepted(self) -> float:
        """How long the oldest debit note has been waiting for its acceptance; seconds, 0 when none waits."""
        for identifier in tuple(self._open):
            try:
                note = await self.rest.get(f"/payment-api/v1/debitNotes/{identifier}")
            except NodeError:
                continue
            if note.get("status") in {"ACCEPTED", "SETTLED", "CANCELLED"}:
                # A later note covers the earlier ones, and yagna lets a requestor accept only the last.
                since = self._open[identifier]
                self._open = {key: value for key, value in self._open.items() if value > since}
        return time.monotonic() - min(self._open.values()) if self._open else 0.0

    def next_look(self, accept_timeout: float) -> float | None:
        """When the oldest waiting note's time is up (monotonic clock), ``None`` when none waits."""
        return min(self._open.values()) + accept_timeout if self._open else None

    @property
    def next_due(self) -> float | None:
        """When the time is up for the first debit note that is to be paid (monotonic clock), ``None`` without one."""
        return min(self._unpaid.values(), default=None)

    async def overdue(self) -> bool:
        """Whether the time of one is up that is not paid."""
        for identifier, due in tuple(self._unpaid.items()):
            if time.monotonic() < due:
                continue
            try:
                note = await self.rest.get(f"/payment-api/v1/debitNotes/{identifier}")
            except NodeError as error:
                _log.info("it is not known whether a debit note is paid: %s", error)
                self._unpaid[identifier] = time.monotonic() + _LOOK_AGAIN_SECONDS
                continue
            if note.get("status") != "SETTLED":
                return True
            del self._unpaid[identifier]
        return False

    async def invoice(self) -> None:
        """Send the invoice about the whole agreement."""
        amount = (self.total * Decimal(str(self.misbehaviour.overbill_invoice))).quantize(_SMALLEST, ROUND_DOWN)
        body = {
            "agreementId": self.agreement_id,
            "activityIds": list(self.totals),
            "amount": f"{amount:f}",
            "paymentDueDate": timestamp(datetime.now(UTC) + _INVOICE_DUE),
        }
        try:
            issued = await self.rest.post("/payment-api/v1/invoices", body)
            await self.rest.post(f"/payment-api/v1/invoices/{issued['invoiceId']}/send", timeout=_SEND_SECONDS)
        except NodeError as error:
            _log.warning("an invoice over %s GLM could not be sent: %s", amount, error)

    async def again(self) -> None:
        """Send the invoice once more, then a debit note about an hour more of everything."""
        await self.invoice()
        for activity_id in self.totals:
            await self.debit(activity_id, [_HOUR] * (len(self.coefficients) - 1))
