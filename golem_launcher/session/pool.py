"""The machines of a session beside its head: as many as are wanted, each replaced by itself when it is lost.

The session is ready, and ends, with its head. What happens to another machine is told and holds nobody up: where no
provider is found for it at the moment, one is looked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, LauncherError, MarketError, NodeError, ProviderError
from golem_launcher.events import Stage
from golem_launcher.session.monitor import Monitor
from golem_launcher.session.renting import Renting
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.workload_client import WorkloadClient
    from golem_launcher.rental.demand import Demand
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.renting import Machine
    from golem_launcher.session.slot import MachineRecorder, Slot

_AT_ONCE = 8
"""So many are made ready at a time: each is work for the node, and a provider is paid while it waits for that."""
_AGAIN_SECONDS = 60.0
"""How long to wait where nobody that fits was found, before the market is looked at again."""


class _Place:
    """One slot, and who is in it."""

    def __init__(self, session: Prepared, slot: Slot) -> None:
        self.slot = slot
        self.renting = Renting(session, slot)
        self.machine: Machine | None = None
        """The one whose workload became ready, unless it was lost."""
        self.monitor: Monitor | None = None
        self.task: asyncio.Task[None] | None = None


class Pool:
    """Keeps the ``slots`` of a session filled. ``begin`` once, ``aclose`` once. Made where a loop runs."""

    def __init__(self, session: Prepared, slots: tuple[Slot, ...], ending: Callable[[], bool]) -> None:
        """``ending``: whether the session is about to end, so that nobody is replaced any more."""
        self._session = session
        self._places = [_Place(session, slot) for slot in slots]
        self._ending = ending
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._gone: list[str] = []
        """Agreements of machines that were let go of."""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the session is over by its own terms, as one of these machines was the first to see."""

    def begin(self, demand: Demand) -> None:
        """Rent all of them by a demand that is on the market."""
        for place in self._places:
            place.slot.recorder.update(stage=Stage.NEGOTIATING)
            place.task = asyncio.create_task(self._keep(place, demand))

    @property
    def clients(self) -> list[WorkloadClient]:
        """Of the machines that are ready."""
        return [place.monitor.client for place in self._places if place.monitor is not None]

    def monitor(self, number: int) -> Monitor | None:
        """Of a machine, while it is ready."""
        return next((place.monitor for place in self._places if place.slot.recorder.number == number), None)

    async def let_go(self, number: int) -> None:
        """Have no machine in this place any more: there is nothing for it to do."""
        for place in self._places:
            if place.slot.recorder.number == number and place.task is not None:
                await cancel_all(place.task)
                machine, place.machine = place.machine, None
                if machine is not None:
                    self._gone.append(machine.rented.agreement_id)
                    await place.renting.release(machine)
                place.slot.recorder.enter(Stage.ENDED)

    async def release(self) -> list[str]:
        """Let go of all in good order, bounded in time; the agreements of those that were ready."""
        await self.aclose()
        ready = [(place, place.machine) for place in self._places if place.machine is not None]
        await asyncio.gather(*(place.renting.release(machine) for place, machine in ready))
        return [*self._gone, *(machine.rented.agreement_id for _, machine in ready)]

    async def aclose(self) -> None:
        """Watch and rent no more; who works goes on until it is let go of, or closed down by the journal."""
        await cancel_all(*(place.task for place in self._places if place.task is not None))

    async def _keep(self, place: _Place, demand: Demand | None) -> None:
        """Have a machine in one place, and another when it is lost, until the session is over."""
        lost: tuple[Machine, ProviderError] | None = None
        while not self._ending():
            try:
                # The demand stays on the market for those whose turn comes later.
                with demand.sought() if demand is not None else contextlib.nullcontext():
                    async with self._turn:
                        machine = await self._rent(place, demand, lost)
            except (MarketError, BudgetError, NodeError) as why:
                demand, lost = None, None
                await self._wait_for_the_market(place.slot.recorder, why)
                continue
            except LauncherError as why:  # no other is to be asked
                place.slot.recorder.enter(Stage.FAILED)
                place.slot.recorder.message(str(why), "error")
                return
            demand, lost = None, None
            place.machine = machine
            try:
                reason = await self._watch(place, machine)
            except ProviderError as error:
                place.machine, lost = None, (machine, error)
            except NodeError:
                return  # the head sees it too, and the session ends
            else:
                if not self.over.done():
                    self.over.set_result(reason)
                return

    async def _wait_for_the_market(self, recorder: MachineRecorder, why: LauncherError) -> None:
        """Say that a machine has no provider, and why, until it is looked for again."""
        again = f"{why.what} A provider is looked for again in {_AGAIN_SECONDS:.0f} s."
        recorder.enter(Stage.RECOVERING if recorder.state.lost else Stage.NEGOTIATING)
        recorder.trouble(again)
        recorder.message(again, "warning")
        await asyncio.sleep(_AGAIN_SECONDS)
        recorder.trouble("")

    async def _rent(self, place: _Place, demand: Demand | None, lost: tuple[Machine, ProviderError] | None) -> Machine:
        """A machine by a demand that is on the market, by another one, or in the place of one that was lost."""
        if lost is not None:
            return await place.renting.replace(*lost)
        return await place.renting.rent(demand or await place.renting.publish_anew())

    async def _watch(self, place: _Place, machine: Machine) -> str:
        """Until the session is over by its own terms; the reason. Raises ``ProviderError`` and ``NodeError``."""
        recorder = place.slot.recorder
        recorder.update(activity_id=machine.rented.activity_id, ip=machine.rented.ip)
        recorder.enter(Stage.READY)
        for notice in machine.notices:
            recorder.notice(notice)
        recorder.message(f"It is ready at {machine.rented.provider_name}.")
        place.monitor = Monitor(self._session, place.slot, machine)
        try:
            return await place.monitor.until_over()
        finally:
            place.monitor = None
