"""The payment terms of an agreement: what we promise of those that an offer names.

A provider's negotiator strikes a term that the demand does not repeat, and fails at one that its offer does not name.
So each term of the offer gets our word, and no other does. What the default negotiators of Golem's providers refuse
for good (read in ya-provider): more time to accept a debit note than the offer gives, an agreement beyond 30 minutes
without any, one of ten hours and more without mid-agreement payments, and numbers that are not whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPIRATION = "golem.srv.comp.expiration"
"""When the agreement ends; milliseconds since the epoch."""
NOTE_INTERVAL = "golem.com.scheme.payu.debit-note.interval-sec?"
ACCEPT_TIMEOUT = "golem.com.payment.debit-notes.accept-timeout?"
PAYMENT_TIMEOUT = "golem.com.scheme.payu.payment-timeout-sec?"

PAID_IN_BETWEEN_SECONDS = 5 * 3600
"""Agreements at least this long are paid in between, and not more often than this: each payment costs a fee."""
_LEAST_INTERVAL = 2
"""A provider that wants to send debit notes more often is asked not to: each one is work for the node."""
_LONGEST = 2**32 - 1


def terms(offer: Mapping[str, Any], *, lasts: float) -> dict[str, int]:
    """The terms to put into the answer to an offer, as properties, for an agreement of ``lasts`` seconds."""
    found = {}
    interval, accept, payment = (_seconds(offer.get(name)) for name in (NOTE_INTERVAL, ACCEPT_TIMEOUT, PAYMENT_TIMEOUT))
    if interval is not None:
        found[NOTE_INTERVAL] = max(interval, _LEAST_INTERVAL)
    if accept is not None:
        found[ACCEPT_TIMEOUT] = accept
    if payment is not None and lasts >= PAID_IN_BETWEEN_SECONDS:
        found[PAYMENT_TIMEOUT] = max(payment, PAID_IN_BETWEEN_SECONDS)
    return found


def payment_timeout(demand: Mapping[str, Any]) -> int | None:
    """How often a provider may ask to be paid under an agreement, by our side of it; ``None``: at its end alone."""
    return _seconds(demand.get(PAYMENT_TIMEOUT))


def _seconds(value: Any) -> int | None:
    """A term as providers publish it, a whole number; ``None`` when it makes no sense, and is then not ours to keep."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= _LONGEST:
        return None
    return int(value) if value == int(value) else None
