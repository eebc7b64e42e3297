"""The one budget of a session: the allocation at the node, what all agreements together cost, when it is used up."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher import clock
from golem_launcher.errors import BudgetError, NodeError, NodeRefused, NodeUnreachable
from golem_launcher.units import with_coin
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from golem_launcher.networks import Network
    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.payment.journal import AgreementEntry, Journal
    from golem_launcher.session_state import SessionState

_AS_BEFORE_SECONDS = 5.0
_TELL_SECONDS = 10.0
_PAST = "in the past"
_RATE_SECONDS = 120.0
"""What the session costs a second is measured over this long."""
_SHORTEST_RATE_SECONDS = 15.0
_LONGEST_PROJECTION = timedelta(days=60)
_DISK_WORDS = ("disk is full", "disk i/o", "no space left", "readonly database")
"""In what a node says whose disk takes nothing more."""


@dataclass(frozen=True)
class Reserved:
    """An allocation at the node, from which a session pays."""

    allocation_id: str
    amount: Decimal
    platform: str
    """As yagna names a payment network with its driver and token."""
    identity: str
    """The node's, whose wallet it is."""
    expires: datetime
    """By this computer's clock."""


@dataclass
class _Account:
    """What one agreement costs: by our own reckoning while it runs, by its invoice in the end."""

    reckoned: Decimal = Decimal(0)
    notes: dict[str, Decimal] = field(default_factory=dict)
    """What was accepted for each activity: a debit note covers those before it of the same activity alone."""
    invoice: Decimal | None = None
    """What was accepted for all of them in the end."""
    promised: dict[str, Decimal] = field(default_factory=dict)
    """For each activity, the most that we ever said yes to, whether or not the node has accepted it yet."""
    promised_invoice: Decimal | None = None

    @property
    def billed(self) -> Decimal:
        """The amount that was accepted. An invoice below its debit notes gives nothing back."""
        return max(sum(self.notes.values(), Decimal(0)), self.invoice or Decimal(0))

    @property
    def cost(self) -> Decimal:
        return self.billed if self.invoice is not None else max(self.reckoned, self.billed)

    def committed(self, *, without: str | None = None) -> Decimal:
        """The amount committed so far; ``without`` the notes of one activity, which its next one covers."""
        return max(self.promised_in_notes(without=without), self.promised_invoice or Decimal(0))

    def promised_in_notes(self, *, without: str | None = None) -> Decimal:
        """The amount committed by debit notes alone."""
        return sum((most for key, most in self.promised.items() if key != without), Decimal(0))


class CostRecorder(Protocol):
    """What :class:`Money` writes down for people; a session's recorder does it."""

    state: SessionState

    def update(self, **changes: Any) -> None:
        """Change fields of the session's state."""

    def message(self, text: str, level: str = ...) -> None:
        """Record a line for people to read."""

    def cost(self, cost: Decimal, billed: Decimal) -> None:
        """Record what the session costs so far, and what of that was billed."""


class Money:
    """Keeps one session within its budget. Amounts are in the network's coin."""

    def __init__(self, budget: Decimal, journal: Journal, recorder: CostRecorder) -> None:
        self.budget = budget
        self._journal = journal
        self._recorder = recorder
        self._accounts: dict[str, _Account] = collections.defaultdict(_Account)
        self._disputes: dict[str, str] = {}
        self._unpaid: set[str] = set()
        self._news: dict[str, asyncio.Event] = collections.defaultdict(asyncio.Event)
        self._invoices: set[str] = set()
        self._told_at = 0.0
        self._costs: collections.deque[tuple[float, Decimal]] = collections.deque()

    @property
    def cost(self) -> Decimal:
        """The cost of all agreements so far; never more than the budget, since no more is accepted."""
        return min(sum((account.cost for account in self._accounts.values()), Decimal(0)), self.budget)

    @property
    def left(self) -> Decimal:
        """The part of the budget that is not spent."""
        return max(self.budget - self.cost, Decimal(0))

    async def reserve(self, rest: YagnaRest, network: Network, identity: str, expires: datetime) -> Reserved:
        """Reserve the budget at the node until ``expires``. Raises ``BudgetError`` if it is not there."""
        timeout = clock.told(expires)
        self._journal.update(allocation_timeout=timeout, budget=self.budget)
        try:
            allocation_id = await rest.create_allocation(
                amount=self.budget, platform=network.platform, address=identity, timeout=timeout
            )
        except NodeRefused as error:
            remedy = "Put more into the wallet, or lower the budget."
            raise _refusal(self.budget, network.token, error, remedy) from None
        self._journal.update(allocation_id=allocation_id)
        self._recorder.update(allocation_id=allocation_id)
        return Reserved(allocation_id, self.budget, network.platform, identity, expires)

    async def extend(self, rest: YagnaRest, budget: Decimal, expires: datetime) -> None:
        """Change the budget to ``budget``, reserved until ``expires``. Raises ``BudgetError`` if that can't be done.

        Where it is not known whether it was, as the node's answer does not come, all is to be as before.
        """
        allocation_id = self._journal.entries.allocation_id
        if allocation_id is None:
            raise BudgetError("Nothing is reserved yet.", "Try again once the session is ready.")
        expires = clock.told(expires)
        try:
            await rest.amend_allocation(allocation_id, amount=budget, timeout=expires)
            self._journal.update(allocation_timeout=expires, budget=budget)
        except NodeRefused as error:
            remedy = "Put more into the wallet, or extend by less."
            raise _refusal(budget, self._journal.entries.coin, error, remedy) from None
        except (NodeUnreachable, asyncio.CancelledError, OSError):
            await self._reserve_as_before(rest, allocation_id)
            raise
        self.budget = budget

    async def _reserve_as_before(self, rest: YagnaRest, allocation_id: str) -> None:
        """As far as the node can be told; the budget holds in any case."""
        timeout = self._journal.entries.allocation_timeout
        if timeout is not None:
            with contextlib.suppress(NodeError, TimeoutError):
                again = rest.amend_allocation(allocation_id, amount=self.budget, timeout=timeout)
                await wait_for(again, _AS_BEFORE_SECONDS)

    def room(self, agreement_id: str, activity_id: str | None = None) -> Decimal:
        """How much of the budget a bill may take. Called by the strategy before it accepts one.

        ``activity_id`` is whose debit note it is; an invoice, without one, covers all activities of its agreement.
        """
        others = [account.committed() for key, account in self._accounts.items() if key != agreement_id]
        own = self._accounts[agreement_id].committed(without=activity_id) if activity_id is not None else Decimal(0)
        return max(self.budget - sum(others, own), Decimal(0))

    def noted(self, agreement_id: str, *, without: str) -> Decimal:
        """What the accepted debit notes of an agreement come to, ``without`` those of one activity."""
        return self._accounts[agreement_id].promised_in_notes(without=without)

    def is_settled(self, agreement_id: str) -> bool:
        """Whether an agreement's invoice was accepted. A node pays what a debit note adds after that on top."""
        return self._accounts[agreement_id].promised_invoice is not None

    def promise(self, agreement_id: str, amount: Decimal, *, activity_id: str | None = None) -> None:
        """Count a bill as spent, before it is accepted: whether the node carried that out may never be known."""
        account = self._accounts[agreement_id]
        if activity_id is None:
            account.promised_invoice = max(account.promised_invoice or Decimal(0), amount)
        else:
            account.promised[activity_id] = max(account.promised.get(activity_id, Decimal(0)), amount)

    def invoice_came(self, agreement_id: str) -> None:
        """Note that an invoice came, after which the provider can bill no more. Called by the event consumer."""
        self._invoices.add(agreement_id)
        self._news[agreement_id].set()

    def news(self, agreement_id: str) -> asyncio.Event:
        """An event that is set when an invoice comes or a bill is refused, for the monitor of the agreement's machine.

        One watcher takes it for each agreement, and clears it.
        """
        return self._news[agreement_id]

    def has_invoice(self, agreement_id: str) -> bool:
        """Whether an invoice came for an agreement."""
        return agreement_id in self._invoices

    def billed(self, agreement_id: str, amount: Decimal, *, activity_id: str | None = None) -> None:
        """Note that the node accepted a bill of ``amount``: an activity's debit note, or the agreement's invoice."""
        self.promise(agreement_id, amount, activity_id=activity_id)
        account = self._accounts[agreement_id]
        if activity_id is None:
            account.invoice = amount
        else:
            account.notes[activity_id] = max(account.notes.get(activity_id, Decimal(0)), amount)
        self._tell()

    def disputed(self, agreement_id: str, reason: str) -> None:
        """Note that a bill above what price and usage allow was refused: its provider is to blame."""
        if agreement_id not in self._disputes:  # once is enough: the next notes are no better
            self._disputes[agreement_id] = reason
            self._news[agreement_id].set()
            self.unpaid(agreement_id, reason)

    def unpaid(self, agreement_id: str, reason: str) -> None:
        """Note that a bill was refused, whoever is to blame. Recorded once per agreement."""
        if agreement_id not in self._unpaid:
            self._unpaid.add(agreement_id)
            self._recorder.message(reason, "warning")

    def dispute(self, agreement_id: str) -> str | None:
        """Why a bill of an agreement was refused, if its provider is to blame for it; else ``None``."""
        return self._disputes.get(agreement_id)

    def used(self, agreement_id: str, usage: Sequence[float] | None, *, reserve_seconds: float) -> str | None:
        """Take a provider's reported usage (``None``: nothing); returns why to end if the budget is nearly used up.

        ``reserve_seconds`` of work at the highest price must remain, whatever was used since the last report.
        """
        entry = self._journal.agreement(agreement_id)
        if entry is None or entry.price is None or entry.started_at is None:
            return None
        price = entry.price
        if (known := price.reported(usage)) is not None:
            self._journal.remember_usage(agreement_id, known)
            entry = self._journal.agreement(agreement_id) or entry
        reckoned = entry.cost()
        self._accounts[agreement_id].reckoned = reckoned
        over = self.cost + self._unreported(reserve_seconds) >= self.budget
        if over or time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._tell()
            self._project()
        return f"The budget of {with_coin(self.budget, self._journal.entries.coin)} is used up." if over else None

    def affords(self) -> float:
        """How many seconds the rest of the budget lasts, with all machines at their highest prices."""
        prices = [entry.price for entry in self._working() if entry.price is not None]
        if not prices:
            return 0.0
        rate = sum((price.ceiling(1.0) - price.start for price in prices), Decimal(0))
        return float(self.left / rate) if rate > 0 else float("inf")

    def _working(self) -> list[AgreementEntry]:
        """The agreements under which somebody works."""
        entries = self._journal.entries.agreements
        return [one for one in entries if one.started_at and one.lost_at is None and one.ended_at is None]

    def _unreported(self, reserve_seconds: float) -> Decimal:
        """What all machines may have used since they last reported, and what so many seconds more of them may cost."""
        more = Decimal(0)
        for entry in self._working():
            if entry.price is not None:
                more += entry.owed() - min(self._accounts[entry.agreement_id].reckoned, entry.owed())
                more += entry.price.ceiling(reserve_seconds) - entry.price.start
        return more

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        if self.cost != self._recorder.state.cost:
            self._recorder.cost(self.cost, sum((account.billed for account in self._accounts.values()), Decimal(0)))

    def _project(self) -> None:
        """When the money ends, should the session go on as it did lately."""
        now = time.monotonic()
        self._costs.append((now, self.cost))
        while now - self._costs[0][0] > _RATE_SECONDS:
            self._costs.popleft()
        since, cost = self._costs[0]
        spent = self.cost - cost
        if now - since < _SHORTEST_RATE_SECONDS:
            return
        ends = None
        if spent > 0:
            seconds = float(self.left / spent) * (now - since)
            if seconds < _LONGEST_PROJECTION.total_seconds():
                ends = clock.told(clock.now() + timedelta(seconds=seconds))
        self._recorder.update(money_ends_at=ends)


@dataclass(frozen=True)
class Funds:
    """What a session pays from, once money is reserved: an allocation, the budget that it is for, the journal."""

    reserved: Reserved
    money: Money
    journal: Journal


def _refusal(amount: Decimal, coin: str, error: NodeRefused, remedy: str) -> BudgetError:
    """Why an amount can't be set aside; ``remedy`` is for a wallet that has too little."""
    try:
        left, reserved = (Decimal(str(error.details[name])) for name in ("availableFunds", "reservedFunds"))
    except (KeyError, InvalidOperation):
        full = any(words in error.what.lower() for words in _DISK_WORDS)
        remedy = "Make room on the node's disk." if full else "Look at the node: golem-launcher doctor"
        if _PAST in error.what.lower():
            remedy = "The clocks of this computer and of the node differ; set them right: golem-launcher doctor"
        return BudgetError(f"The node could not set {with_coin(amount, coin)} aside: {error.what}", remedy)
    kept = f", {with_coin(reserved, coin)} more being set aside for others" if reserved > 0 else ""
    has = with_coin(max(left, Decimal(0)), coin)
    return BudgetError(f"The wallet has {has} to set aside{kept}, and this takes {with_coin(amount, coin)}.", remedy)
