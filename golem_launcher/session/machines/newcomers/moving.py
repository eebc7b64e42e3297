"""A session that goes on at another machine because its user wants one: it is left only when the other is ready.

The other machine is rented beside the head, by the same budget, and brought all that was saved by then. Only what
changed since is brought while nobody can work. Whatever fails before it answers, the old machine goes on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.errors import LauncherError, ProviderError
from golem_launcher.session.machines.newcomers.departure import Departure
from golem_launcher.session.machines.newcomers.newcomer import Newcomer
from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord
from golem_launcher.session_state import MoveState
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.context import Prepared

_LOG = logging.getLogger(__name__)

_SWITCH_SECONDS = 300.0
"""So long nobody can work at the most, while what was saved last is brought."""


class Move:
    """One move of the head, under way from when it is made, where a loop runs. ``aclose`` once."""

    def __init__(
        self,
        session: Prepared,
        request: LaunchRequest,
        number: int,
        *,
        busy: Callable[[], Awaitable[int]],
        begins: Callable[[], Awaitable[None]],
        arrived: Callable[[], None],
        failed: Callable[[], Awaitable[None]],
    ) -> None:
        """``request``: the session's, of the machine that is wanted now; ``number``: which of its moves this is.

        ``busy``: how many cells run at the head; ``begins`` is awaited before a machine is sought. ``arrived`` is
        called once :attr:`newcomer` is to be the head, or ``failed``, where the session goes on at its own.
        """
        self._begins = begins
        self._arrived = arrived
        self._failed = failed
        self._recorder = session.recorder
        self._record = NewcomerRecord(session.recorder, "move", MoveState(number=number), "The machine to go on at")
        self._departure = Departure(
            session.saves,
            session.endpoint.head,
            session.recorder,
            busy=busy,
            told=lambda stage: self._record.tell(stage=stage, progress=None),
        )
        self.newcomer = Newcomer(replace(session, request=request), request, self._record, "newcomer")
        """The other machine."""
        self._task = asyncio.create_task(self._work())

    @property
    def over(self) -> bool:
        """Whether the other machine is ready, or will never be."""
        return self._task.done()

    async def takes_over(self) -> bool:
        """Whether the session goes on at the other machine though its own was lost; that one is given up otherwise.

        What was not saved of a lost machine is gone: the other one is of use only where all had been saved before.
        """
        if not self._departure.has_begun:
            await self.end("The machine that it was to leave was lost.")
        await asyncio.wait({self._task})
        return self._departure.has_begun

    async def end(self, why: str) -> None:
        """Give it up, unless it is over; ``why`` is a sentence."""
        if not self._task.done():
            await cancel_all(self._task)
            self._tell_failure(why)

    async def take_back(self, why: str) -> bool:
        """Give it up, unless it is over or the present machine is being left by now; whether it is given up.

        ``why`` is a sentence.
        """
        if self.over or self._departure.has_begun:
            return False
        await self.end(why)
        await self._failed()
        return True

    def hurry(self) -> None:
        """Leave the present machine as soon as the other one is ready, whatever runs there."""
        self._departure.hurry()

    def done(self) -> None:
        """The session goes on at the other machine."""
        self._record.tell(stage="done", progress=None, over_at=clock.told(clock.now()))

    async def aclose(self) -> None:
        """End it, and the way to the other machine, to which the head's leads by now."""
        await self.end("The session ended.")
        await self.newcomer.aclose()

    async def _work(self) -> None:
        try:
            await self._prepare()
        except asyncio.CancelledError:
            await self._stay()
            raise
        except LauncherError as error:
            await self._stay()
            self._tell_failure(str(error))
            await self._failed()
        except Exception as error:  # noqa: BLE001 - the session goes on, whatever it was
            _LOG.exception("the move failed")
            await self._stay()
            self._tell_failure(f"Something unexpected happened ({type(error).__name__}). See supervisor.log.")
            await self._failed()
        else:
            self._arrived()

    async def _prepare(self) -> None:
        """Make the other machine ready, then leave the present one: what was done there last is brought as well."""
        await self._departure.check()
        await self._begins()
        await self.newcomer.rent()
        await self.newcomer.wait_for(self._departure.begin())
        try:
            await wait_for(self.newcomer.take_lead(), _SWITCH_SECONDS)
        except TimeoutError:
            raise ProviderError("It took too long to take over there.") from None

    async def _stay(self) -> None:
        """All goes on at the machine that was to be left."""
        self._departure.undo()
        await self.newcomer.release()

    def _tell_failure(self, why: str) -> None:
        self._record.tell(stage="failed", reason=why, progress=None, over_at=clock.told(clock.now()))
        self._recorder.message(f"The session did not move: {why}", "warning")
