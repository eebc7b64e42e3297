"""What a session may owe, on disk before it is acted upon: enough for another process to close everything down.

An intent comes first, the id that the node gives comes after. Between the two a supervisor can die; so each intent
holds something that only this session uses, by which the thing is found again: the allocation's time-out (to the
microsecond), the ``tag`` property of the demand, the address of the private network.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher import clock, files
from golem_launcher.frozen_copy import changed
from golem_launcher.market.prices import Price
from golem_launcher.networks import GOLEMS_COIN, token_of
from golem_launcher.rental.payment.bill_refusal import INVOICE, BillRefusal
from golem_launcher.units import with_coin

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)
FILE = "journal.json"
_FRESH_SECONDS = 20.0
_MOST_REFUSALS = 10

TAG_PROPERTY = "golem.!exp.golem-launcher.session"
"""The property of a demand that holds the session's tag; a random word, so it tells a provider nothing."""


class AgreementEntry(BaseModel):
    """An agreement that we signed or are about to sign, with what it takes to judge its bills."""

    model_config = ConfigDict(frozen=True)

    agreement_id: str
    provider_id: str
    provider_name: str
    """Cleaned."""
    price: Price | None
    wallet: str = ""
    """Who is paid, as its offer says: an address in small letters, or nothing."""
    coin: str = GOLEMS_COIN
    """What it is paid in."""
    payment_timeout: float | None = None
    """How often the provider may ask to be paid before the end, in seconds; ``None``: not at all."""
    activity_id: str | None = None
    started_at: datetime | None = None
    """When its activity was asked for: the earliest moment it can bill for."""
    last_usage: tuple[float, ...] | None = None
    """The last usage vector that the provider reported."""
    reported_at: datetime | None = None
    """When that report came: the first of those that say the same."""
    before: dict[str, Decimal] = {}
    """What each activity before the present one may be billed, by its id; by none, for those that never got one."""
    lost_at: datetime | None = None
    """When the provider was lost: no time after that is paid for, and no invoice is waited for."""
    ended_at: datetime | None = None
    """When we ended it; likewise."""
    unheard: bool = False
    """Whether the provider did not answer when we ended it: it may not know, and go on in good faith."""

    @property
    def price_per_hour(self) -> Decimal | None:
        """At full load; ``None`` where its price is not known."""
        return self.price.per_hour() if self.price else None

    over: bool = False
    """Whether the node knows of its end too, which it does once the provider has heard of it."""
    refused: str = ""
    """Why its invoice is not accepted, in words; empty when it is, or when none came."""
    refusals: tuple[BillRefusal, ...] = ()
    """Each bill that was not accepted, with the figures; the first few."""

    def objection(
        self, what: str, amount: Decimal, *, activity_id: str | None = None, noted: Decimal = Decimal(0)
    ) -> BillRefusal | None:
        """Why a bill (``a debit note``, ``an invoice``) is not accepted; ``None`` when it may be.

        ``activity_id``: the one that it is for; an invoice is for all of them. ``noted``: what was accepted of the
        debit notes of the others.
        """
        if not amount.is_finite():
            why = f"The provider sent {what} of no amount at all. It is not accepted."
            return BillRefusal(at=clock.now(), bill=what, amount=Decimal(0), why=why)
        most = self.acceptable()
        if activity_id is not None:
            most = max(min(self._acceptable_of(activity_id), most - noted), Decimal(0))
        if 0 <= amount <= most:
            return None
        allowed = f"more than the {with_coin(most, self.coin)} that price and usage allow"
        beyond = allowed if amount > 0 else "less than nothing"
        why = f"The provider sent {what} of {with_coin(amount, self.coin)}, {beyond}. It is not accepted."
        seconds, age = self._times()
        return BillRefusal(
            at=clock.now(), bill=what, amount=amount, coin=self.coin, most=most, why=why, seconds=seconds,
            usage=self.last_usage, report_age=age, dishonest=not self._may_not_know,
        )  # fmt: skip

    @property
    def _may_not_know(self) -> bool:
        """Whether the provider was cut off from us, and may have worked on and counted in good faith."""
        return self.lost_at is not None or self.unheard

    def acceptable(self) -> Decimal:
        """The most that we accept as a bill by now."""
        return self._earlier + self._acceptable_now()

    def _acceptable_now(self) -> Decimal:
        """The most that we accept by now for the present activity."""
        if self.price is None or self.started_at is None:
            return Decimal(0)
        seconds, age = self._times()
        return self.price.acceptable(self.last_usage, seconds, age=age)

    def _acceptable_of(self, activity_id: str) -> Decimal:
        """The most that we accept by now for one activity.

        Its id may not have come to us: it is then one of those without, as far as there are any.
        """
        if activity_id == self.activity_id:
            return self._acceptable_now()
        if activity_id in self.before:
            return self.before[activity_id]
        return self.before.get("", Decimal(0)) + (self._acceptable_now() if self.activity_id is None else Decimal(0))

    @property
    def _earlier(self) -> Decimal:
        return sum(self.before.values(), Decimal(0))

    def begun(self) -> dict[str, object]:
        """The fields that change when another activity is asked for; see :meth:`Journal.begin_activity`."""
        before = dict(self.before)
        if self.started_at is not None:
            key = self.activity_id or ""
            before[key] = before.get(key, Decimal(0)) + self._acceptable_now()
        fresh = {"last_usage": None, "reported_at": None, "activity_id": None}
        return {"before": before, "started_at": clock.now(), **fresh}

    def owed(self) -> Decimal:
        """The most that it can have cost by now: as reported, and for the time since then at full load."""
        if self.price is None or self.started_at is None:
            return Decimal(0)
        seconds, age = self._times()
        # Of a provider that reports nothing, bills are judged by the clock: so is what it costs.
        if self.last_usage is None:
            return self._earlier + self.price.ceiling(seconds)
        return self._earlier + self.price.cost(self.last_usage, seconds, age=age)

    def cost(self) -> Decimal:
        """What it costs by now: as reported, unless that is too long ago to be true."""
        seconds, age = self._times()
        if self.price is None or self.last_usage is None or age > _FRESH_SECONDS:
            return self.owed()
        return self._earlier + self.price.cost(self.last_usage, seconds)

    def _times(self) -> tuple[float, float]:
        """How long it has worked, and how old its last report is, in seconds; until it was over, if it is."""
        if self.started_at is None:
            return 0.0, 0.0
        until = min(filter(None, (self.lost_at, self.ended_at)), default=clock.now())
        seconds = (until - self.started_at).total_seconds()
        return seconds, seconds if self.reported_at is None else max((until - self.reported_at).total_seconds(), 0.0)


class JournalEntries(BaseModel):
    """The content of the journal."""

    model_config = ConfigDict(frozen=True)

    tag: str = Field(default_factory=lambda: secrets.token_hex(8))
    opened_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    network: str = ""
    api_url: str | None = None
    """The node that everything below is on."""
    settles: bool = False
    """Whether the local network paid bills when the session began; the others always do."""
    budget: Decimal | None = None
    """What its user gives for all of it: no more is accepted, whatever the node has reserved. ``None`` before that."""
    allocation_timeout: datetime | None = None
    allocation_id: str | None = None
    network_address: str | None = None
    network_id: str | None = None
    demanded: bool = False
    """A demand with our tag was, or was about to be, published."""
    agreements: tuple[AgreementEntry, ...] = ()
    awaits_until: datetime | None = None
    """Everything was ended, and an invoice that is late is waited for until then."""
    asks_until: datetime | None = None
    """Agreements whose providers have not heard of the end are ended again and again until then."""
    closed: bool = False
    """Everything above was released; nothing is left to do."""

    @property
    def coin(self) -> str:
        """What the network is paid in."""
        return token_of(self.network)

    @property
    def owes(self) -> bool:
        """Whether something may be left at the node."""
        return not self.closed and (self.allocation_timeout is not None or self.demanded)

    @property
    def lingers(self) -> bool:
        """Whether all is given back that can be, and a provider is late: with its invoice, or to hear of the end."""
        return not self.closed and (self.awaits_until is not None or self.asks_until is not None)

    @property
    def owed(self) -> Decimal:
        """The most that all of its agreements together can have cost by now."""
        return sum((entry.owed() for entry in self.agreements), Decimal(0))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why invoices were not accepted, in words."""
        return tuple(entry.refused for entry in self.agreements if entry.refused)


class Journal:
    """The journal of one session, written by its supervisor, later by whoever closes it down.

    Writes block for the few milliseconds of an ``fsync``, on purpose: the next step must not start before.
    """

    def __init__(self, path: Path, entries: JournalEntries) -> None:
        self._path = path
        self.entries = entries
        self.strict = True
        """Whether nothing may be done that could not be written down before; at the end all is given back anyway."""

    @classmethod
    def create(cls, directory: Path) -> Journal:
        """Begin the journal of a new session."""
        journal = cls(directory / FILE, JournalEntries())
        journal.update()
        return journal

    @classmethod
    def read(cls, directory: Path) -> Journal | None:
        """The journal of a session, or ``None`` where there is none (it never got that far)."""
        try:
            return cls(directory / FILE, JournalEntries.model_validate_json((directory / FILE).read_bytes()))
        except (OSError, ValidationError):
            return None

    @property
    def directory(self) -> Path:
        """The session's directory."""
        return self._path.parent

    def update(self, **changes: object) -> None:
        """Write the entries with ``changes``. Raises ``OSError``, and they stay as they were, while ``strict``."""
        entries = changed(self.entries, changes)
        try:
            self._write(entries)
        except OSError:
            if self.strict:
                raise
        self.entries = entries

    def add_agreement(self, entry: AgreementEntry) -> None:
        """Write down an agreement before it is confirmed."""
        others = tuple(known for known in self.entries.agreements if known.agreement_id != entry.agreement_id)
        self.update(agreements=(*others, entry))

    def update_agreement(self, agreement_id: str, **changes: object) -> None:
        """Change what is known about one agreement."""
        self.update(agreements=self._with_agreement(agreement_id, changes).agreements)

    def note(self, agreement_id: str, **facts: object) -> None:
        """Know what has come of an agreement, also where the disk does not take it: the next write has it.

        Never raises: that no time is paid for after an end must not depend on a disk that is full.
        """
        self.entries = self._with_agreement(agreement_id, facts)
        with contextlib.suppress(OSError):
            self._write(self.entries)

    def give_up(self, at: datetime) -> None:
        """Pay for nothing after ``at``. Providers may not hear of it, and are not to blame for bills of more."""
        for entry in self.entries.agreements:
            if not entry.over and entry.ended_at is None:
                self.note(entry.agreement_id, ended_at=at, unheard=True)

    def remember_usage(self, agreement_id: str, usage: tuple[float, ...]) -> None:
        """Know the last reported usage, in memory alone: without it, a bill is judged by the clock.

        The same report twice is one report: its age counts from the first.
        """
        entry = self.agreement(agreement_id)
        if entry is not None and usage != entry.last_usage:
            self.entries = self._with_agreement(agreement_id, {"last_usage": usage, "reported_at": clock.now()})

    def refuse(self, agreement_id: str, refusal: BillRefusal) -> None:
        """Write down why a bill of an agreement is not accepted."""
        entry = self.agreement(agreement_id)
        if entry is not None:
            refusals = (*entry.refusals, refusal)[:_MOST_REFUSALS]
            refused = refusal.why if refusal.bill == INVOICE else entry.refused
            self.note(agreement_id, refusals=refusals, refused=refused)

    def begin_activity(self, agreement_id: str) -> None:
        """An activity of an agreement is asked for; what one before it may be billed still counts."""
        entry = self.agreement(agreement_id)
        if entry is not None:
            self.update_agreement(agreement_id, **entry.begun())

    def agreement(self, agreement_id: str) -> AgreementEntry | None:
        """What is known about an agreement."""
        return next((entry for entry in self.entries.agreements if entry.agreement_id == agreement_id), None)

    def _write(self, entries: JournalEntries) -> None:
        try:
            files.write_atomic(self._path, entries.model_dump_json(indent=1).encode())
        except OSError:
            _LOG.exception("could not write")
            raise

    def _with_agreement(self, agreement_id: str, changes: dict[str, object]) -> JournalEntries:
        agreements = tuple(
            changed(entry, changes) if entry.agreement_id == agreement_id else entry
            for entry in self.entries.agreements
        )
        return self.entries.model_copy(update={"agreements": agreements})
