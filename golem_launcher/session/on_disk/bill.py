"""A session's bill: what it cost in all, how long it ran, and how far the bills of its agreements are paid.

Payments are sent in batches long after the end (a day on the real networks), so where the node is at hand it is asked
again, and what it says is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from golem_launcher import clock
from golem_launcher.errors import LauncherError
from golem_launcher.events import Stage
from golem_launcher.networks import NETWORKS, token_of
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.bills import AgreementBill
from golem_launcher.rental.payment.journal import Journal

if TYPE_CHECKING:
    from golem_launcher.node.node import Node
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

PENDING = ("billed", "accepted")
"""States of a bill that may have changed since it was kept."""
_LEAST_STATES = ("nothing was billed", "billed", "accepted", "paid")


class Bill(BaseModel):
    """What a session was billed, agreement by agreement; made from its journal and its state."""

    model_config = ConfigDict(frozen=True)

    session: str
    network: str
    token: str
    stage: str
    budget: Decimal
    cost: Decimal
    """By our own reckoning while it runs, by its invoices in the end."""
    at_most: bool = False
    """Whether an invoice is missing, so that the cost is the most that is owed."""
    created_at: datetime
    ready_at: datetime | None
    ended_at: datetime | None
    ran_seconds: float | None = None
    """How long its workload was there, by a clock that never jumps; ``None`` where only the time of day can tell."""
    settles: bool = True
    """Whether bills are paid at all; on the local network, only with a chain."""
    agreements: tuple[AgreementBill, ...] = ()

    @property
    def seconds(self) -> float:
        """For how many seconds its workload was there."""
        if self.ready_at is None:
            return 0.0
        if self.ran_seconds is not None:
            return self.ran_seconds
        return max(0.0, ((self.ended_at or datetime.now(UTC)) - self.ready_at).total_seconds())

    @property
    def state(self) -> str:
        """How far it is paid, in words: the agreement that is furthest behind decides."""
        if not self.settles:
            return "nothing is settled"
        if self.at_most:
            return "owed at most"
        billed = [one.state for one in self.agreements if one.state != _LEAST_STATES[0]]
        return min(billed, key=_LEAST_STATES.index, default=_LEAST_STATES[0])


def bill_of(directory: SessionDirectory, node: Node | None = None) -> Bill:
    """The bill of a session; ``node`` is asked how far it is paid, which is kept. Blocking. ``SessionNotFound``."""
    state = directory.state()
    kept = bills.kept(directory.path)
    journal = Journal.read(directory.path)
    if journal is not None and node is not None and journal.entries.agreements:
        with contextlib.suppress(LauncherError):
            fresh = asyncio.run(_ask(node, journal))
            known = {one.agreement_id: one for one in kept}
            kept = [known[one.agreement_id] if _lost(one, known) else one for one in fresh]
            if journal.entries.closed and [*known.values()] != kept:
                with contextlib.suppress(OSError):
                    bills.write(directory.path, kept)
    elif journal is not None and not kept:
        kept = bills.unbilled(journal)
    return _bill(state, kept, settles=_settles(state, journal))


def _lost(fresh: AgreementBill, known: dict[str, AgreementBill]) -> bool:
    """Whether the node no longer knows what it knew: it is another one."""
    old = known.get(fresh.agreement_id)
    return old is not None and old.invoiced is not None and fresh.invoiced is None


async def _ask(node: Node, journal: Journal) -> list[AgreementBill]:
    async with YagnaRest.open(node) as rest:
        return await bills.collect(rest, journal)


def _bill(state: SessionState, agreements: list[AgreementBill], *, settles: bool) -> Bill:
    ready = next((at for stage, at in state.stages if stage is Stage.READY), None)
    return Bill(
        session=state.name,
        network=state.network,
        token=token_of(state.network),
        stage=state.stage.value,
        budget=state.budget,
        cost=state.cost,
        at_most=state.owed_at_most,
        created_at=state.created_at,
        ready_at=ready,
        ended_at=state.ended_at,
        ran_seconds=_ran(state),
        settles=settles,
        agreements=tuple(agreements),
    )


def _settles(state: SessionState, journal: Journal | None) -> bool:
    """Whether the session's bills are paid; where that depended on the day, by what it was when the session began."""
    network = NETWORKS.get(state.network)
    return network is None or network.settles or (journal is not None and journal.entries.settles)


def _ran(state: SessionState) -> float | None:
    if state.stage.final or state.ready_since_boot is None:
        return state.ran_seconds
    ran = clock.since_boot() - state.ready_since_boot
    return ran if ran >= 0 else None  # the computer was started anew: its supervisor is dead
