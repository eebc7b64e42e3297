"""What a session pays from, once money is reserved for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.payment.money import Money, Reserved


@dataclass(frozen=True)
class Funds:
    """An allocation, the budget that it is for, and the journal of all ids that mean money."""

    reserved: Reserved
    money: Money
    journal: Journal
