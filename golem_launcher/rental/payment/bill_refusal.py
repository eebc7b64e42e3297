"""Why a bill was not accepted, with the figures that led to it: whoever is refused must be able to check them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from golem_launcher import clock
from golem_launcher.networks import GOLEMS_COIN
from golem_launcher.units import with_coin

DEBIT_NOTE = "a debit note"
INVOICE = "an invoice"

_MUCH = 1e12
"""Seconds, or whatever a provider counts: more than that makes no sense, and not all of its digits are told."""


class BillRefusal(BaseModel):
    """One bill that was not accepted. Amounts in the network's token, times in seconds."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    bill: str
    """``a debit note`` or ``an invoice``."""
    amount: Decimal
    coin: str = GOLEMS_COIN
    """Of the network."""
    most: Decimal | None = None
    """What would have been accepted, where that is an amount."""
    why: str
    """In words."""
    seconds: float | None = None
    """How long the provider had worked by our clock."""
    usage: tuple[float, ...] | None = None
    """What it had reported last, in the order of its offer; ``None``: nothing."""
    report_age: float | None = None
    """How old that report was."""
    dishonest: bool = True
    """Whether the provider is to blame, and avoided from now on."""

    @property
    def figures(self) -> str:
        """The figures in words; empty where none led to it."""
        if self.seconds is None:
            return ""
        reported = "it had reported nothing"
        if self.usage is not None:
            numbers = ", ".join(f"{value:.1f}" if value < _MUCH else f"{value:.3g}" for value in self.usage)
            reported = f"its last report, {self.report_age or 0.0:.0f} s old, was {numbers}"
        return f"{with_coin(self.amount, self.coin)} billed after {self.seconds:.0f} s; {reported}"


def beyond_budget(bill: str, amount: Decimal, room: Decimal, coin: str) -> BillRefusal:
    """The refusal of a bill that is correct but more than what is left of the budget; nobody is to blame."""
    left = f"the {with_coin(room, coin)} that the budget leaves"
    why = f"{bill.capitalize()} of {with_coin(amount, coin)} is more than {left}."
    return BillRefusal(at=clock.now(), bill=bill, amount=amount, coin=coin, most=room, why=why, dishonest=False)
