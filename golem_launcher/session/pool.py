"""The machines of a session beside its head: as many as are wanted, each replaced by itself when it is lost.

How many are wanted may change while it runs: more are rented by one demand, and who is let go of ends in good order.

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
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.workload_client import WorkloadClient
    from golem_launcher.rental.demand import Demand
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.renting import Machine
    from golem_launcher.session.slot import Slot

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
        """Keeps it filled; ``None`` where it is not wanted."""
        self.leaving = asyncio.Event()
        """Set when it is not wanted any more, until it is empty."""

    @property
    def number(self) -> int:
        """Of its machine."""
        return self.slot.recorder.number

    @property
    def is_wanted(self) -> bool:
        """Whether there is to be a machine."""
        return self.task is not None and not self.leaving.is_set()


class Pool:
    """Keeps as many of the ``slots`` of a session filled as are wanted.

    ``begin`` once, ``aclose`` once. Made where a loop runs.
    """

    def __init__(self, session: Prepared, slots: tuple[Slot, ...], ending: Callable[[], bool]) -> None:
        """``ending``: whether the session is about to end, so that nobody is replaced any more."""
        self._session = session
        self._places = [_Place(session, slot) for slot in slots]
        self._ending = ending
        self._wanted = 0
        self._publishing: asyncio.Task[Demand] | None = None
        """Makes the demand by which more are rented."""
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._gone: list[str] = []
        """Agreements of machines that were let go of."""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the session is over by its own terms, as one of these machines was the first to see."""

    def begin(self, demand: Demand, count: int) -> None:
        """Rent the first ``count`` of them by a demand that is on the market."""
        self._wanted = count
        for place in self._places[:count]:
            place.slot.recorder.update(stage=Stage.NEGOTIATING)
            place.task = asyncio.create_task(self._keep(place, demand))

    def numbers(self) -> tuple[int, ...]:
        """Of the machines that are to be there."""
        return tuple(place.number for place in self._places if place.is_wanted)

    def scale(self, count: int, leaving: frozenset[int] = frozenset()) -> None:
        """Have ``count`` of them from now on; of too many those go that are ``leaving`` by number, then the last.

        Never are there more at a time, those included that are still being let go of: they cost as well.
        """
        self._wanted = count
        wanted = [place for place in self._places if place.is_wanted]
        wanted.sort(key=lambda place: (place.number in leaving, place.number))
        for place in wanted[count:]:
            if place.task is not None and place.task.done():  # nobody was to be found for it
                place.task = None
            else:
                place.leaving.set()
        free = [place for place in self._places if place.task is None]
        free = free[: max(0, count - (len(self._places) - len(free)))]
        if not free or self._ending():
            return
        demand = self._publishing = asyncio.create_task(free[0].renting.publish_anew())
        for place in free:
            place.slot.recorder.update(stage=Stage.NEGOTIATING)
            place.task = asyncio.create_task(self._keep(place, demand))

    @property
    def clients(self) -> list[WorkloadClient]:
        """Of the machines that are ready."""
        return [place.monitor.client for place in self._places if place.monitor is not None]

    def monitor(self, number: int) -> Monitor | None:
        """Of a machine, while it is ready."""
        return next((place.monitor for place in self._places if place.slot.recorder.number == number), None)

    def let_go(self, number: int) -> None:
        """Do without this machine from now on: there is nothing for it to do."""
        wanted = self.numbers()
        if number in wanted:
            self.scale(len(wanted) - 1, frozenset({number}))

    async def release(self) -> list[str]:
        """Let go of all in good order, bounded in time; the agreements of those that were ready."""
        await self.aclose()
        ready = [(place, place.machine) for place in self._places if place.machine is not None]
        await asyncio.gather(*(place.renting.release(machine) for place, machine in ready))
        return [*self._gone, *(machine.rented.agreement_id for _, machine in ready)]

    async def aclose(self) -> None:
        """Watch and rent no more; who works goes on until it is let go of, or closed down by the journal."""
        tasks = [place.task for place in self._places if place.task is not None]
        await cancel_all(*tasks, *filter(None, [self._publishing]))

    async def _keep(self, place: _Place, published: Demand | asyncio.Task[Demand]) -> None:
        """Have a machine in one place, and another when it is lost, until it is not wanted or the session is over."""
        await self._fill(place, published)
        if place.leaving.is_set():
            await self._empty(place)

    async def _fill(self, place: _Place, published: Demand | asyncio.Task[Demand]) -> None:
        recorder = place.slot.recorder
        demand: Demand | None = None
        first: Demand | asyncio.Task[Demand] | None = published
        lost: tuple[Machine, ProviderError] | None = None
        while not self._ending() and not place.leaving.is_set():
            try:
                if first is not None:
                    demand, first = await asyncio.shield(first) if isinstance(first, asyncio.Task) else first, None
                # The demand stays on the market for those whose turn comes later.
                with demand.sought() if demand is not None else contextlib.nullcontext():
                    async with self._turn:
                        machine = await self._rent(place, demand, lost)
            except (MarketError, BudgetError, NodeError) as why:
                first = demand = lost = None
                await self._wait_for_the_market(place, why)
                continue
            except LauncherError as why:  # no other is to be asked
                recorder.enter(Stage.FAILED)
                recorder.message(str(why), "error")
                return
            demand, lost = None, None
            place.machine = machine
            try:
                reason = await self._watch(place, machine)
            except ProviderError as error:
                if place.leaving.is_set():
                    return
                place.machine, lost = None, (machine, error)
            except NodeError:
                return  # the head sees it too, and the session ends
            else:
                if reason is not None and not self.over.done():
                    self.over.set_result(reason)
                return

    async def _wait_for_the_market(self, place: _Place, why: LauncherError) -> None:
        """Say that a machine has no provider, and why, until it is looked for again, or is not wanted any more."""
        recorder = place.slot.recorder
        again = f"{why.what} A provider is looked for again in {_AGAIN_SECONDS:.0f} s."
        recorder.enter(Stage.RECOVERING if recorder.state.lost else Stage.NEGOTIATING)
        recorder.trouble(again)
        recorder.message(again, "warning")
        with contextlib.suppress(TimeoutError):
            await wait_for(place.leaving.wait(), _AGAIN_SECONDS)
        recorder.trouble("")

    async def _empty(self, place: _Place) -> None:
        """End the machine in a place that is not wanted any more; the place is free then."""
        recorder, machine, place.machine = place.slot.recorder, place.machine, None
        if machine is not None:
            self._gone.append(machine.rented.agreement_id)
            recorder.enter(Stage.STOPPING)
            await place.slot.files.part()
            await place.renting.release(machine)
            await machine.hiring.aclose()
        recorder.update(activity_id=None, ip=None, price_per_hour=None, usage=None, trouble="")
        recorder.enter(Stage.ENDED)
        place.task = None
        place.leaving.clear()
        self.scale(self._wanted)  # more may be wanted again by now

    async def _rent(self, place: _Place, demand: Demand | None, lost: tuple[Machine, ProviderError] | None) -> Machine:
        """A machine by a demand that is on the market, by another one, or in the place of one that was lost."""
        if lost is not None:
            return await place.renting.replace(*lost)
        return await place.renting.rent(demand or await place.renting.publish_anew())

    async def _watch(self, place: _Place, machine: Machine) -> str | None:
        """Until the session is over by its own terms, and the reason, or the machine is not wanted any more.

        Raises ``ProviderError`` and ``NodeError``.
        """
        recorder = place.slot.recorder
        recorder.update(activity_id=machine.rented.activity_id, ip=machine.rented.ip)
        recorder.enter(Stage.READY)
        for notice in machine.notices:
            recorder.notice(notice)
        recorder.message(f"It is ready at {machine.rented.provider_name}.")
        monitor = place.monitor = Monitor(self._session, place.slot, machine)
        watching = asyncio.create_task(monitor.until_over())
        leaving = asyncio.create_task(place.leaving.wait())
        try:
            await asyncio.wait({watching, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return watching.result() if watching.done() else None
        finally:
            await cancel_all(watching, leaving)
            place.monitor = None
