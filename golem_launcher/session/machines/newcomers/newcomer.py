"""A machine beside the head that is to take its place: rented, made ready, and kept up behind it until it does.

A move takes it as soon as it is ready (``moving.py``); a standby when the head is lost (``standby.py``). Its JupyterLab
runs already, with a token of its own: the session's is told only to who leads, as whoever has it can enter the head's.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.access.machine.vpn_to_machine import MachineVpn
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
from golem_launcher.session.endpoints.machine_slot import HEAD, MachineSlot
from golem_launcher.session.lifetime.deadline import AGENT_GRACE_SECONDS
from golem_launcher.session.machines.monitor import Monitor
from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecorder
from golem_launcher.session.machines.renting import Renting
from golem_launcher.session.preparation.image_and_packages import image_and_packages
from golem_launcher.session.preparation.provisioning import provision
from golem_launcher.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from golem_launcher.rental.activity_batches import ActivityTransfer
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord
    from golem_launcher.session.machines.renting import Machine
    from golem_launcher.session.saving.saves import Saves
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.standby_copy import StandbyCopy

_ANSWER_SECONDS = 5.0
_LEAD_SECONDS = 10.0
"""For a JupyterLab that runs to take another token."""
_LEAD_POLL_SECONDS = 0.02
_PROBE_SECONDS = 1.0
_FAILURES = 5
_RETRY_SECONDS = 2.0


class Newcomer:
    """One such machine. ``rent`` once; then it takes the lead, or ``release``. ``aclose`` once, whatever it became."""

    def __init__(self, session: Prepared, wanted: LaunchRequest, record: NewcomerRecord, place: str) -> None:
        """``session``: with which it goes on; ``wanted``: which machine it is to be.

        ``place``: the name of its directory and of its log, of which there is one at a time.
        """
        self.session = session
        self.machine: Machine | None = None
        """Once its workload answers."""
        directory = session.directory
        self._way = MachineVpn(
            paths.private_directory(directory.scratch / place), wanted.name, HEAD, ssh_key=wanted.ssh_key
        )
        self.endpoint = MachineEndpoint(
            session.workload, lambda: self._way, lambda: session.endpoint.base_url, stands_by=True
        )
        self._files = NewcomerFiles(wanted, self.endpoint, session.saves, record)
        recorder, log = NewcomerRecorder(record), directory.path / f"workload.{place}.log"
        self.slot = MachineSlot(session.workload, self.endpoint, recorder, self._files, log)
        self._renting = Renting(replace(session, request=wanted), self.slot)

    async def rent(self) -> Machine:
        """Find it and make it ready, with all that is saved by then. Raises ``LauncherError``; nothing is left then."""
        try:
            self.machine = await self._renting.rent(await self._renting.publish_anew())
        except BaseException:
            await self._renting.abandon()
            raise
        return self.machine

    async def follow(self, told: Callable[[Manifest], None]) -> None:
        """Bring it each new save until cancelled; ``told`` of each that it was seen to have.

        Raises ``ProviderError`` when it is of no use. A store that can't be read for a while is nobody's fault.
        """
        failures = 0
        while True:
            if self._files.has is not None:
                told(self._files.has)
            await self.session.saves.newer(self._files.has)
            try:
                self._note(await self._files.bring())
            except WorkspaceError as error:
                failures += 1
                if failures == _FAILURES:
                    raise ProviderError(f"It could not be brought what is saved: {error.what}") from None
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                failures = 0

    @contextlib.contextmanager
    def monitored(self, session: Prepared) -> Iterator[Monitor]:
        """A monitor of it as a machine of the ``session``, for as long as it is waited for beside the head."""
        assert self.machine is not None
        monitor = Monitor(session, self.slot, self.machine)
        try:
            yield monitor
        finally:
            self.machine = replace(self.machine, rented=monitor.rented)  # a node may have begun anew

    async def wait_for(self, departure: Coroutine[Any, Any, object]) -> None:
        """Stand ready until the head is left; what it costs is counted meanwhile, and its loss is seen.

        Raises ``LauncherError``: that of the ``departure``, or what is wrong with this machine.
        """
        with self.monitored(self.session) as monitor:
            async with first_of(departure, monitor.until_over()) as (leaving, watching):
                if not leaving.done():
                    raise ProviderError(watching.result())
                leaving.result()

    async def take_lead(self) -> None:
        """Have it be used from now on: it has the newest save, and lets in who has the session's token.

        Called once nobody writes at the head any more; the session's address may lead here then. Raises
        ``ProviderError`` when it is of no use, and ``WorkspaceError`` when the store can't be read.
        """
        self._note(await self._files.bring())
        title = self.session.workload.title
        async with self.endpoint.client() as client:
            if not await client.answers(seconds=_ANSWER_SECONDS):
                raise ProviderError(f"{title} does not answer there.")
            seconds = self.session.deadline.left + AGENT_GRACE_SECONDS  # it may have been moved meanwhile
            if not await client.move_deadline(seconds):
                raise ProviderError("It did not take the session's deadline.")
        try:
            await self._lead(self.session.endpoint.token)
        except BaseException:
            await self._shut_out()
            raise

    async def _lead(self, token: str) -> None:
        """Tell it the session's token, and wait until that opens its workload. Raises ``ProviderError``."""
        workload = self.session.workload
        await self._files.agent.lead(token)
        self.endpoint.opens_to(token)
        time = asyncio.get_running_loop().time
        end = time() + (self.session.network.patience.start if workload.argv else _LEAD_SECONDS)  # a program starts now
        async with self.endpoint.client() as client:
            while not await client.answers(seconds=_PROBE_SECONDS):
                if time() > end:
                    raise ProviderError(f"{workload.title} did not take over there.")
                await asyncio.sleep(_LEAD_POLL_SECONDS)

    async def _shut_out(self) -> None:
        """It knows the session's token, and does not lead: it must not reach the head any more."""
        self.endpoint.point_nowhere()
        if self.machine is not None:
            await self.machine.activity.aclose()

    def _note(self, notices: list[str]) -> None:
        """Keep for the user what could not be done there: it matters once the session goes on there."""
        assert self.machine is not None
        told = dict.fromkeys((*self.machine.notices, *notices))
        self.machine = replace(self.machine, notices=tuple(told))

    async def lose(self, error: ProviderError) -> None:
        """It is lost. Raises ``ProviderError`` when nobody is to be asked in its place."""
        assert self.machine is not None
        await self._renting.lose(self.machine, error)

    async def release(self) -> list[str]:
        """Let go of it in good order, bounded in time; its agreement, if there is one."""
        await self._files.detach()
        if self.machine is None:
            return []
        await self._renting.release(self.machine)
        await self.machine.activity.aclose()
        return [self.machine.rented.agreement_id]

    async def aclose(self) -> None:
        """Close the way to it, which is not the one that the head's address leads by."""
        await self._files.detach()
        await self._way.__aexit__()


class NewcomerFiles:
    """Brings a newcomer what is saved, and sees that it has it.

    A store that can't be read is no newcomer's fault: ``MarketError`` would have another one tried in vain.
    """

    hold = True

    def __init__(self, wanted: LaunchRequest, endpoint: MachineEndpoint, saves: Saves, record: NewcomerRecord) -> None:
        """``endpoint``: the newcomer's."""
        self._wanted = wanted
        self._endpoint = endpoint
        self._saves = saves
        self._record = record
        self.agent: AgentWorkspace
        """Once it is attached."""
        self._replica: StandbyCopy | None = None

    @property
    def has(self) -> Manifest | None:
        """The newest save that it was seen to have."""
        return None if self._replica is None else self._replica.manifest

    async def attach(self, bulk: ActivityTransfer) -> list[str]:
        """Its agent runs: bring what is saved by now, and have the workload start; what to tell the user.

        Raises ``ProviderError`` when the newcomer fails, and ``WorkspaceError`` when the store can't be read.
        """
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - as in saves.py
        from golem_launcher.workspace.transfer.standby_copy import StandbyCopy  # noqa: PLC0415 - likewise

        await self.detach()
        agent = AgentWorkspace(self._endpoint.dial_agent, token=self._endpoint.token, bulk=bulk)
        self.agent = await agent.__aenter__()
        self._replica = StandbyCopy(agent, self._saves.store)
        return await provision(agent, restored=self._begin, inputs=[], packages=[], progress=self._record.progress)

    async def bring(self) -> list[str]:
        """Bring it what is saved, and see that it has it. Raises likewise."""
        assert self._replica is not None
        has = self._replica.manifest
        if has is not None and has.generation == self._saves.newest_number:
            await self._replica.confirm()
            return []
        newest = await self._saves.newest()
        return [] if newest is None else await self._replica.bring(newest, self._record.progress)

    async def _begin(self) -> list[str]:
        """What it begins with: the newest save has the packages that were asked for; where there is none, these."""
        from golem_launcher.workspace.transfer.restore import install  # noqa: PLC0415 - likewise

        notices = await self.bring()
        if self.has is None:
            notices += await install(self.agent, image_and_packages(self._wanted).packages, self._record.progress)
        return notices

    async def detach(self) -> None:
        """Close the connection to the newcomer's agent: nothing more is copied there."""
        if self._replica is not None:
            self._replica = None
            await self.agent.__aexit__(None, None, None)

    def saved_last(self) -> str:
        """Always empty: a newcomer holds copies of saved files alone, so nothing is lost with it."""
        return ""
