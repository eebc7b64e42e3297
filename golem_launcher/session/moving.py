"""A session that goes on at another machine because its user wants one: it is left only when the other is ready.

The other machine is rented beside the head, by the same budget, and brought all that was saved by then. Only what
changed since is brought while nobody can work. Whatever fails before it answers, the old machine goes on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.access.machine_way import MachineWay
from golem_launcher.errors import LauncherError
from golem_launcher.session.departure import Departure
from golem_launcher.session.machine_endpoint import MachineEndpoint
from golem_launcher.session.machine_slot import HEAD, MachineRecorder, MachineSlot
from golem_launcher.session.newcomer import NewcomerFiles, NewcomerRecord
from golem_launcher.session.renting import Renting
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.renting import Machine

_LOG = logging.getLogger(__name__)


class Move:
    """One move of the head, under way from when it is made, where a loop runs. ``aclose`` once."""

    def __init__(
        self,
        session: Prepared,
        request: LaunchRequest,
        number: int,
        *,
        busy: Callable[[], Awaitable[int]],
        arrived: Callable[[], None],
    ) -> None:
        """``request``: the session's, of the machine that is wanted now; ``number``: which of its moves this is.

        ``busy``: how many cells run at the head; ``arrived`` is called once :attr:`machine` is ready.
        """
        self.session = replace(session, request=request)
        """With which it goes on."""
        self.machine: Machine | None = None
        """The other machine, once its workload answers."""
        self._arrived = arrived
        self._record = NewcomerRecord(session.recorder, number)
        self._departure = Departure(
            session.saves,
            session.endpoint.head,
            session.recorder,
            busy=busy,
            told=lambda stage: self._record.move(stage=stage, progress=None),
        )
        directory = session.directory
        self._way = MachineWay(
            paths.private_directory(directory.scratch / "newcomer"), request.name, HEAD, ssh_key=request.ssh_key
        )
        self.endpoint = MachineEndpoint(
            session.workload,
            lambda: self._way,
            lambda: session.endpoint.base_url,
            session_token=session.endpoint.token,
        )
        self.files = NewcomerFiles(request, self.endpoint, session.saves, self._departure, self._record)
        slot = MachineSlot(
            session.workload,
            self.endpoint,
            MachineRecorder(self._record, HEAD),
            self.files,
            directory.machine_log(HEAD),
        )
        self._renting = Renting(self.session, slot)
        self._task = asyncio.create_task(self._work())

    @property
    def over(self) -> bool:
        """Whether the other machine is ready, or will never be."""
        return self._task.done()

    async def settled(self) -> bool:
        """Whether the session goes on at the other machine though its own was lost; that one is given up otherwise.

        What was not saved of a lost machine is gone: the other one is of use only where all had been saved before.
        """
        if not self._departure.has_begun:
            await self.end("The machine that it was to leave was lost.")
        await asyncio.wait({self._task})
        return self.machine is not None

    async def end(self, why: str) -> None:
        """Give it up, unless it is over; ``why`` is a sentence."""
        if not self._task.done():
            await cancel_all(self._task)
            self._fail(why)

    def done(self) -> None:
        """The session goes on at the other machine."""
        self._record.move(stage="done", progress=None)

    async def aclose(self) -> None:
        """End it, and the way to the other machine, to which the head's leads by now."""
        await self.end("The session ended.")
        await self._way.__aexit__()

    async def _work(self) -> None:
        try:
            machine = await self._renting.rent(await self._renting.publish_anew())
        except asyncio.CancelledError:
            await self._renting.abandon()
            raise
        except LauncherError as error:
            await self._renting.abandon()
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - the session goes on, whatever it was
            _LOG.exception("the move failed")
            await self._renting.abandon()
            self._fail(f"Something unexpected happened ({type(error).__name__}). See supervisor.log.")
        else:
            self.machine = machine
            self._arrived()

    def _fail(self, why: str) -> None:
        self._record.move(stage="failed", reason=why, progress=None)
        self.session.recorder.message(f"The session did not move: {why}", "warning")
