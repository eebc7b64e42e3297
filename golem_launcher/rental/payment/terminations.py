"""Ends what was agreed with lost providers while the session goes on, without waiting for them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import NodeError
from golem_launcher.rental.payment.closing import end_agreement
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.payment.journal import Journal


class Terminations:
    """Ends agreements and activities of lost providers, beside all else: they may be slow to answer, or dead."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, rest: YagnaRest, journal: Journal, agreement_id: str) -> None:
        """End what was agreed with a provider; what fails is left to the closing of the session."""
        task = asyncio.create_task(_quietly_end(rest, journal, agreement_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """Wait for none of them any longer. Called once, before the session closes down what is left."""
        await cancel_all(*self._tasks)


async def _quietly_end(rest: YagnaRest, journal: Journal, agreement_id: str) -> None:
    entry = journal.agreement(agreement_id)
    if entry is not None:
        with contextlib.suppress(NodeError):  # closing tries again
            await end_agreement(rest, journal, entry)
