"""Negotiates like the default negotiators of Golem's providers: their rules, limits and words.

A provider takes the requestor's value of what may be negotiated, drops what the requestor says nothing of, and refuses
what is beyond its limits. An agreement is approved when nothing is left to negotiate in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LocalNetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOTE_INTERVAL = "golem.com.scheme.payu.debit-note.interval-sec?"
NOTE_ACCEPT_TIMEOUT = "golem.com.payment.debit-notes.accept-timeout?"
PAYMENT_TIMEOUT = "golem.com.scheme.payu.payment-timeout-sec?"
EXPIRATION = "golem.srv.comp.expiration"
COEFFICIENTS = "golem.com.pricing.model.linear.coeffs"
CHOSEN_PLATFORM = "golem.com.payment.chosen-platform"

NO_CAPACITY = "No capacity available. Reached Agreements limit: 1"

_DAY = 24 * 3600
_SHORTEST_ACCEPT_TIMEOUT = 5
_LONGEST_WITHOUT_ACCEPTANCE = 30 * 60
_LONGEST_WITHOUT_PAYMENT = 10 * 3600
_MOST_SECONDS = 2**32


class ProposalRefused(LocalNetError):  # noqa: N818 - reads as what it says
    """A proposal or agreement is refused; ``final`` when asking again is of no use."""

    def __init__(self, why: str, *, final: bool) -> None:
        super().__init__(why)
        self.final = final

    def reason(self) -> dict[str, Any]:
        """The reason as the market carries it."""
        return {"message": self.what, "golem.proposal.rejection.is-final": self.final}


@dataclass(frozen=True)
class Negotiator:
    """The rules of one provider. Times in seconds."""

    shortest_agreement: float = 300.0

    def answer(self, offer: Mapping[str, Any], demand: Mapping[str, Any]) -> dict[str, Any]:
        """The offer as it would be agreed to; :class:`ProposalRefused` where there is no agreeing.

        ``offer`` is the provider's side of the proposal or agreement that ``demand`` answers.
        """
        if demand.get(CHOSEN_PLATFORM) is None:
            raise ProposalRefused("Missing fields: /golem/com/payment/chosen-platform", final=False)
        agreed = dict(offer)
        rules: tuple[Callable[[dict[str, Any], Mapping[str, Any]], None], ...] = (
            self._expiration,
            _accept_timeout,
            _note_interval,
            _payment_timeout,
            _price,
        )
        for rule in rules:
            rule(agreed, demand)
        return agreed

    def check(self, offer: Mapping[str, Any], demand: Mapping[str, Any]) -> None:
        """Whether an agreement of the two may be approved; :class:`ProposalRefused` when not."""
        if self.answer(offer, demand) != offer:
            raise ProposalRefused("Negotiations aren't finished.", final=False)

    def _expiration(self, _agreed: dict[str, Any], demand: Mapping[str, Any]) -> None:
        left = _left(demand)
        longest = None if _seconds(demand, NOTE_ACCEPT_TIMEOUT) is not None else _LONGEST_WITHOUT_ACCEPTANCE
        if left >= self.shortest_agreement and (longest is None or left <= longest):
            return
        most = "100years" if longest is None else f"{longest // 60}min"
        raise ProposalRefused(
            f"Proposal expires at: {demand[EXPIRATION]} which is less than {self.shortest_agreement / 60:g}min or more "
            f"than {most} from now",
            final=left < self.shortest_agreement,
        )


def _accept_timeout(agreed: dict[str, Any], demand: Mapping[str, Any]) -> None:
    ours, theirs = _seconds(agreed, NOTE_ACCEPT_TIMEOUT), _seconds(demand, NOTE_ACCEPT_TIMEOUT)
    if theirs is None:
        agreed.pop(NOTE_ACCEPT_TIMEOUT, None)
        return
    if ours is None or theirs > ours:
        raise ProposalRefused(f"DebitNote acceptance deadline should be less than {ours or 0}s.", final=True)
    if theirs < min(ours, _SHORTEST_ACCEPT_TIMEOUT):
        raise ProposalRefused(f"To low DebitNotes timeout: {theirs}s", final=True)
    agreed[NOTE_ACCEPT_TIMEOUT] = theirs


def _note_interval(agreed: dict[str, Any], demand: Mapping[str, Any]) -> None:
    _take(agreed, demand, NOTE_INTERVAL, "interval")


def _payment_timeout(agreed: dict[str, Any], demand: Mapping[str, Any]) -> None:
    if _seconds(demand, PAYMENT_TIMEOUT) is None and _left(demand) >= _LONGEST_WITHOUT_PAYMENT:
        raise ProposalRefused(
            f"Expiration time {demand[EXPIRATION]} exceeds the {_LONGEST_WITHOUT_PAYMENT // 3600}h threshold of "
            f"enforcing mid-agreement payments but the required property '{PAYMENT_TIMEOUT}' was not present in the "
            "Demand",
            final=True,
        )
    _take(agreed, demand, PAYMENT_TIMEOUT, "payment timeout")


def _take(agreed: dict[str, Any], demand: Mapping[str, Any], name: str, word: str) -> None:
    """Agree to the demand's value, of a second to a day; without one the property is dropped."""
    theirs = _seconds(demand, name)
    if theirs is None:
        agreed.pop(name, None)
        return
    if not 1 <= theirs <= _DAY:
        raise ProposalRefused(f"Demand DebitNote {word} {theirs}s not in acceptable range of [1s; 24h]", final=True)
    if name not in agreed:
        raise ProposalRefused(f"DebitNote {word} not found in the Offer", final=True)
    agreed[name] = theirs


def _price(agreed: dict[str, Any], demand: Mapping[str, Any]) -> None:
    """A requestor that offers more than we ask for has its offer taken."""
    ours, theirs = agreed[COEFFICIENTS], demand.get(COEFFICIENTS)
    if not isinstance(theirs, list) or not all(isinstance(price, int | float) for price in theirs):
        return
    if len(ours) != len(theirs):
        raise ProposalRefused("invalid price vector", final=False)
    if any(offered < asked for offered, asked in zip(theirs, ours, strict=True)):
        raise ProposalRefused(f"{theirs} < {ours}", final=True)
    agreed[COEFFICIENTS] = theirs


def _left(demand: Mapping[str, Any]) -> float:
    """Seconds until the demand's agreements expire."""
    value = demand.get(EXPIRATION)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProposalRefused("Missing expiration key in Proposal", final=True)
    left = value / 1000 - time.time()
    if left <= 0:
        raise ProposalRefused("Computation expiration time was set in the past", final=True)
    return left


def _seconds(properties: Mapping[str, Any], name: str) -> int | None:
    """A property that is a number of whole seconds; providers understand no other."""
    value = properties.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_SECONDS:
        raise ProposalRefused(f"Unexpected value of {name}: {value!r}", final=True)
    return value
