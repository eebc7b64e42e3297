"""An agreement under which a machine works, and what it means for whom else this session may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher import clock

if TYPE_CHECKING:
    import asyncio

    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.payment.journal import AgreementEntry, Journal


class SignedAgreement:
    """Signed by both sides. Made by :class:`golem_launcher.rental.demand.Demand`, used by one ``ProviderActivity``."""

    def __init__(self, agreement_id: str, journal: Journal, choice: Choice, invoiced: asyncio.Event) -> None:
        """``invoiced`` is set once its invoice was accepted or refused."""
        self.id = agreement_id
        self._journal = journal
        self._choice = choice
        self._invoiced = invoiced

    @property
    def entry(self) -> AgreementEntry | None:
        """What the journal has of it; ``None`` where it could not be written down."""
        return self._journal.agreement(self.id)

    def begin(self) -> None:
        """Its provider works for the session from now on: no other machine is to be sought there."""
        if (entry := self.entry) is not None:
            self._choice.backoff.busy.add(entry.provider_id)

    def leave(self) -> None:
        """Its provider works for the session no longer."""
        if (entry := self.entry) is not None:
            self._choice.backoff.busy.discard(entry.provider_id)

    def blame(self, reason: str) -> None:
        """Its provider failed, for a ``reason`` as people read it: it is left alone for a while."""
        if (entry := self.entry) is not None:
            self._choice.failed(entry.provider_id, entry.provider_name, reason)

    def expect_invoice(self) -> None:
        """It is about to be ended: the invoice that counts comes after this."""
        self._invoiced.clear()

    def note_end(self, *, heard: bool) -> None:
        """It is given up now; ``heard``: whether its provider knows that. Where it does not, the closing tells it."""
        self._journal.note(self.id, ended_at=clock.now(), unheard=not heard)
