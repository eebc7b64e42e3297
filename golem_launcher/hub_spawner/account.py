"""What a user of the hub has spent and holds: read from the sessions themselves, so there is one ledger. Blocking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.cleanup.session_history import all_sessions
from golem_launcher.session.on_disk.bill import bill_of

if TYPE_CHECKING:
    from golem_launcher.hub_spawner.users import HubUser
    from golem_launcher.session.on_disk.bill import Bill
    from golem_launcher.session.on_disk.directory import SessionDirectory

_HOUR = Decimal(3600)


@dataclass(frozen=True)
class UserAccount:
    """How a user stands in a month (UTC), in one coin."""

    spent: Decimal = Decimal(0)
    """By servers that were begun in it and have ended."""
    set_aside: Decimal = Decimal(0)
    """The budgets of those that run: so much they may cost."""
    hours: Decimal = Decimal(0)
    """That servers of the month ran, and that those that run may still run."""
    machines: int = 0
    """At providers, now."""
    gpus: int = 0


def account(user: HubUser, token: str, now: datetime | None = None) -> UserAccount:
    """The user's account. Servers begun in an earlier month count once they run into this one only by what they hold.

    Raises ``LauncherError`` or ``OSError`` where what a server cost can't be read: nobody knows then what is left.
    """
    month = (now or datetime.now(UTC)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    total = UserAccount()
    with paths.home_of(user.home):
        every = all_sessions()
        for directory in every.directories:
            total = _with_session(total, directory, token, month)
        for bill in every.bills:
            total = _with_bill(total, bill, token, month)
    return total


def _with_session(total: UserAccount, directory: SessionDirectory, token: str, month: datetime) -> UserAccount:
    state = directory.state()
    if leftovers.cost_is_known(directory, state):
        return _with_bill(total, bill_of(directory), token, month)
    request = directory.request()
    bill = bill_of(directory)
    return UserAccount(
        spent=total.spent,
        set_aside=total.set_aside + (bill.budget if bill.token == token else 0),
        hours=total.hours + max(request.hours, _hours(bill)),
        machines=total.machines + request.most_machines,
        gpus=total.gpus + request.gpus * request.most_machines,
    )


def _with_bill(total: UserAccount, bill: Bill, token: str, month: datetime) -> UserAccount:
    if bill.created_at < month:
        return total
    cost = bill.cost if bill.token == token else Decimal(0)
    return UserAccount(total.spent + cost, total.set_aside, total.hours + _hours(bill), total.machines, total.gpus)


def _hours(bill: Bill) -> Decimal:
    return Decimal(str(round(bill.seconds))) / _HOUR
