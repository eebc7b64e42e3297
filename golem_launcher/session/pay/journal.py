"""What a session may owe, on disk before it is acted upon: enough for another process to close everything down.

An intent comes first, the id that the node gives comes after. Between the two a supervisor can die; so each intent
holds something that only this session uses, by which the thing is found again: the allocation's time-out (to the
microsecond), the ``tag`` property of the demand, the address of the private network.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher import clock, files
from golem_launcher.market.prices import Price, glm

if TYPE_CHECKING:
    from pathlib import Path

FILE = "journal.json"

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
    payment_timeout: float | None = None
    """How often the provider may ask to be paid before the end, in seconds; ``None``: not at all."""
    activity_id: str | None = None
    started_at: datetime | None = None
    """When its activity was asked for: the earliest moment it can bill for."""
    last_usage: tuple[float, ...] | None = None
    """The last usage vector that the provider reported."""
    lost_at: datetime | None = None
    """When the provider was lost: no time after that is paid for, and no invoice is waited for."""
    refused: str = ""
    """Why its invoice is not accepted, in words; empty when it is, or when none came."""

    def objection(self, what: str, amount: Decimal) -> str:
        """Why a bill (``a debit note``, ``an invoice``) is too high, in words; empty when it is not."""
        most = self.acceptable()
        if 0 <= amount <= most:
            return ""
        if amount < 0:
            return f"The provider sent {what} of {glm(amount)}, less than nothing. It is not accepted."
        return (
            f"The provider sent {what} of {glm(amount)}, more than the {glm(most)} that price and usage allow. "
            "It is not accepted."
        )

    def acceptable(self) -> Decimal:
        """The most that we accept as a bill by now."""
        if self.price is None or self.started_at is None:
            return Decimal(0)
        seconds = ((self.lost_at or clock.now()) - self.started_at).total_seconds()
        return self.price.acceptable(self.last_usage, seconds)


class Entries(BaseModel):
    """The content of the journal."""

    model_config = ConfigDict(frozen=True)

    tag: str = Field(default_factory=lambda: secrets.token_hex(8))
    opened_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    network: str = ""
    api_url: str | None = None
    """The node that everything below is on."""
    settles: bool = False
    """Whether the local network paid bills when the session began; the others always do."""
    allocation_timeout: datetime | None = None
    allocation_id: str | None = None
    network_address: str | None = None
    network_id: str | None = None
    demanded: bool = False
    """A demand with our tag was, or was about to be, published."""
    agreements: tuple[AgreementEntry, ...] = ()
    closed: bool = False
    """Everything above was released; nothing is left to do."""

    @property
    def owes(self) -> bool:
        """Whether something may be left at the node."""
        return not self.closed and (self.allocation_timeout is not None or self.demanded)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why invoices were not accepted, in words."""
        return tuple(entry.refused for entry in self.agreements if entry.refused)


class Journal:
    """The journal of one session, written by its supervisor, later by whoever closes it down.

    Writes block for the few milliseconds of an ``fsync``, on purpose: the next step must not start before.
    """

    def __init__(self, path: Path, entries: Entries) -> None:
        self._path = path
        self.entries = entries

    @classmethod
    def create(cls, directory: Path) -> Journal:
        """Begin the journal of a new session."""
        journal = cls(directory / FILE, Entries())
        journal.update()
        return journal

    @classmethod
    def read(cls, directory: Path) -> Journal | None:
        """The journal of a session, or ``None`` where there is none (it never got that far)."""
        try:
            return cls(directory / FILE, Entries.model_validate_json((directory / FILE).read_bytes()))
        except (OSError, ValidationError):
            return None

    @property
    def directory(self) -> Path:
        """The session's directory."""
        return self._path.parent

    def update(self, **changes: object) -> None:
        """Write the entries with ``changes``."""
        entries = self.entries.model_copy(update=changes)
        files.write_atomic(self._path, entries.model_dump_json(indent=1).encode())
        self.entries = entries

    def add_agreement(self, entry: AgreementEntry) -> None:
        """Write down an agreement before it is confirmed."""
        others = tuple(known for known in self.entries.agreements if known.agreement_id != entry.agreement_id)
        self.update(agreements=(*others, entry))

    def update_agreement(self, agreement_id: str, **changes: object) -> None:
        """Change what is known about one agreement."""
        self.update(agreements=self._with_agreement(agreement_id, changes).agreements)

    def remember_usage(self, agreement_id: str, usage: tuple[float, ...]) -> None:
        """Know the last reported usage, in memory alone: without it, a bill is judged by the clock."""
        self.entries = self._with_agreement(agreement_id, {"last_usage": usage})

    def agreement(self, agreement_id: str) -> AgreementEntry | None:
        """What is known about an agreement."""
        return next((entry for entry in self.entries.agreements if entry.agreement_id == agreement_id), None)

    def _with_agreement(self, agreement_id: str, changes: dict[str, object]) -> Entries:
        agreements = tuple(
            entry.model_copy(update=changes) if entry.agreement_id == agreement_id else entry
            for entry in self.entries.agreements
        )
        return self.entries.model_copy(update={"agreements": agreements})
