"""How long a session may run: the deadline, and how far the present agreement lets it be moved."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from golem_launcher import clock

_AGREEMENT_MARGIN = timedelta(minutes=5)
"""The agreement outlives every deadline by this: the last save and the last bills need it; real providers want it."""
_LOOK_SECONDS = 5.0
"""How soon a deadline that was moved forward is known to who waits for it."""
_LEAST_RESERVE = timedelta(hours=3)
_MOST_RESERVE = timedelta(hours=24)
_ALLOCATION_MARGIN = timedelta(hours=2)
AGENT_GRACE_SECONDS = 120.0
"""The agent ends everything that long after the deadline, should nobody else: the last save comes before."""


@dataclass
class Deadline:
    """When a session ends, at the latest: ``at``, moved by Extend.

    Agreements can't be prolonged once they are signed. So each is asked for with a reserve beyond the deadline: half of
    the time that is left, at least 3 and at most 24 hours. It costs nothing, since a session that ends pays no more;
    it is what Extend can use.
    """

    at: datetime
    agreement_ends: datetime | None = None

    @classmethod
    def of(cls, hours: Decimal) -> Deadline:
        """The deadline of a session of so many ``hours`` that begins now."""
        return cls(clock.now() + timedelta(hours=float(hours)))

    def put_off(self, seconds: float) -> None:
        """Move the deadline by ``seconds``. Called when the image had to be made first, before anything is agreed."""
        self.at += timedelta(seconds=seconds)

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return (self.at - clock.now()).total_seconds()

    async def passed(self) -> None:
        """Wait until it is over, wherever it is moved meanwhile."""
        while self.left > 0:  # noqa: ASYNC110 - the clock sets no event
            await asyncio.sleep(min(self.left, _LOOK_SECONDS))

    @property
    def hours_left(self) -> Decimal:
        """Hours until the deadline, never below zero: what a machine that is rented now is asked for."""
        return Decimal(str(max(self.left, 0.0))) / 3600

    @property
    def extendable_until(self) -> datetime | None:
        """The latest deadline that the present agreement allows; ``None`` before there is one."""
        return None if self.agreement_ends is None else self.agreement_ends - _AGREEMENT_MARGIN

    def agree(self, *, others: bool) -> datetime:
        """When the agreement that is asked for now should end; as those of ``others`` do, where there are any."""
        if others and self.agreement_ends is not None:
            return self.agreement_ends
        reserve = min(max(timedelta(seconds=self.left / 2), _LEAST_RESERVE), _MOST_RESERVE)
        self.agreement_ends = self.at + reserve + _AGREEMENT_MARGIN
        return self.agreement_ends

    def allocation_ends(self, deadline: datetime | None = None) -> datetime:
        """When an allocation for this deadline should end, to the microsecond: by that it is found again."""
        late = max(deadline or self.at, self.agreement_ends or self.at)
        return late + _ALLOCATION_MARGIN + timedelta(microseconds=secrets.randbelow(1_000_000))
