"""The machines of a session beside its head: as many as are wanted, each replaced by itself when it is lost.

How many are wanted may change while it runs: more are rented by one demand, and who is let go of ends in good order.

The session is ready, and ends, with its head. What happens to another machine is told and holds nobody up: where no
provider is found for it at the moment, one is looked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, LauncherError, MarketError, NodeError, ProviderError
from golem_launcher.events import Stage
from golem_launcher.session.machines.monitor import Monitor
from golem_launcher.session.machines.renting import Renting
from golem_launcher.session.machines.start_concurrency import StartConcurrency
from golem_launcher.waiting import cancel_all, each_alone, first_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.rental.demand import Demand
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.endpoints.machine_slot import MachineSlot
    from golem_launcher.session.machines.renting import Machine

_LOG = logging.getLogger(__name__)

_AGAIN_SECONDS = 60.0
"""How long to wait where nobody that fits was found, before the market is looked at again."""


class _Member:
    """One slot, and the machine in it."""

    def __init__(self, session: Prepared, slot: MachineSlot, turns: StartConcurrency) -> None:
        self.slot = slot
        self.renting = Renting(session, slot, turns.room)
        self.machine: Machine | None = None
        """The one whose workload became ready, unless it was lost."""
        self.monitor: Monitor | None = None
        self.task: asyncio.Task[None] | None = None
        """Keeps it filled; ``None`` where it is not wanted."""
        self.leaving = asyncio.Event()
        """Set when it is not wanted any more, until it is empty."""
        self.emptying = False
        """Whether its machine is being let go of by its task."""

    @property
    def number(self) -> int:
        """The machine's number, from 2 on."""
        return self.slot.recorder.number

    @property
    def is_wanted(self) -> bool:
        """Whether a machine is to be kept in this slot."""
        return self.task is not None and not self.leaving.is_set()


class Pool:
    """Keeps as many of the ``slots`` of a session filled as are wanted.

    ``begin`` once, ``aclose`` once. Made where a loop runs.
    """

    def __init__(self, session: Prepared, slots: tuple[MachineSlot, ...], ending: Callable[[], bool]) -> None:
        """``ending``: whether the session is about to end, so that nobody is replaced any more."""
        self._session = session
        self._turns = StartConcurrency(here=session.network.host == "this computer")
        self._members = [_Member(session, slot, self._turns) for slot in slots]
        self._ending = ending
        self._wanted = 0
        self._publishing: asyncio.Task[Demand] | None = None
        """Makes the demand by which more are rented."""
        self._gone: list[str] = []
        """Agreements of machines that were let go of."""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the session is over by its own terms, as one of these machines was the first to see."""

    def begin(self, demand: Demand, count: int) -> None:
        """Rent the first ``count`` of them by a demand that is on the market."""
        self._wanted = count
        for member in self._members[:count]:
            member.slot.recorder.update(stage=Stage.NEGOTIATING)
            member.task = asyncio.create_task(self._keep(member, demand))

    def numbers(self) -> tuple[int, ...]:
        """The numbers of the machines that are wanted, whether they are ready or not."""
        return tuple(member.number for member in self._members if member.is_wanted)

    def scale(self, count: int, leaving: frozenset[int] = frozenset()) -> None:
        """Keep ``count`` machines from now on. Of too many, those numbered in ``leaving`` go first, then the last ones.

        There are never more at a time, machines that are still being let go of included: they cost as well.
        """
        self._wanted = count
        wanted = [member for member in self._members if member.is_wanted]
        wanted.sort(key=lambda member: (member.number in leaving, member.number))
        for member in wanted[count:]:
            if member.task is not None and member.task.done():  # nobody was to be found for it
                member.task = None
            else:
                member.leaving.set()
        free = [member for member in self._members if member.task is None]
        free = free[: max(0, count - (len(self._members) - len(free)))]
        if not free or self._ending():
            return
        demand = self._publishing = asyncio.create_task(free[0].renting.publish_anew())
        for member in free:
            member.slot.recorder.update(stage=Stage.NEGOTIATING)
            member.task = asyncio.create_task(self._keep(member, demand))

    @property
    def clients(self) -> list[WorkloadClient]:
        """Clients of the machines that are ready now."""
        return [member.monitor.client for member in self._members if member.monitor is not None]

    def monitor(self, number: int) -> Monitor | None:
        """The monitor of the machine ``number``; ``None`` while it is not ready."""
        return next((member.monitor for member in self._members if member.slot.recorder.number == number), None)

    def machine(self, number: int) -> Machine | None:
        """The machine ``number``; ``None`` while it is not ready."""
        return next((member.machine for member in self._members if member.number == number), None)

    def let_go(self, number: int) -> None:
        """Do without this machine from now on: there is nothing for it to do."""
        wanted = self.numbers()
        if number in wanted:
            self.scale(len(wanted) - 1, frozenset({number}))

    async def release(self) -> list[str]:
        """Let go of all in good order, bounded in time; the agreements of those that were ready."""
        emptying = [member.task for member in self._members if member.task is not None and member.emptying]
        await self._rent_no_more(spared=emptying)
        ready = [(member, member.machine) for member in self._members if member.machine is not None]
        await each_alone(*emptying, *(member.renting.release(machine) for member, machine in ready))
        return [*self._gone, *(machine.rented.agreement_id for _, machine in ready)]

    async def aclose(self) -> None:
        """Stop watching and renting.

        Machines that work go on until they are let go of, or closed down by the journal.
        """
        await self._rent_no_more()

    async def _rent_no_more(self, spared: Sequence[asyncio.Task[None]] = ()) -> None:
        tasks = [member.task for member in self._members if member.task is not None and member.task not in spared]
        await cancel_all(*tasks, *filter(None, [self._publishing]))

    async def _keep(self, member: _Member, published: Demand | asyncio.Task[Demand]) -> None:
        """Have a machine in one slot, and another when it is lost, until it is not wanted or the session is over."""
        try:
            await self._fill(member, published)
        except Exception as error:  # noqa: BLE001 - a machine must not go on unwatched and paid, whatever it was
            _LOG.exception("the machine in slot %s", member.number)
            await self._abandon(member)
            why = f"Something unexpected happened ({type(error).__name__}): it is done without. See supervisor.log."
            member.slot.recorder.enter(Stage.FAILED)
            member.slot.recorder.message(why, "error")
        if member.leaving.is_set():
            await self._empty(member)

    async def _fill(self, member: _Member, published: Demand | asyncio.Task[Demand]) -> None:
        recorder = member.slot.recorder
        first: Demand | asyncio.Task[Demand] | None = published
        lost: tuple[Machine, ProviderError] | None = None
        while not self._ending() and not member.leaving.is_set():
            try:
                async with self._in_turn(first) as demand:
                    if member.leaving.is_set() and lost is None:  # one that is lost is still to be closed down
                        return
                    machine = await self._rent(member, demand, lost)
            except (MarketError, BudgetError, NodeError) as why:
                first = lost = None
                await self._wait_for_the_market(member, why)
                continue
            except LauncherError as why:  # no other is to be asked
                recorder.enter(Stage.FAILED)
                recorder.message(str(why), "error")
                return
            first = lost = None
            member.machine = machine
            try:
                reason = await self._watch(member, machine)
            except ProviderError as error:
                if member.leaving.is_set():
                    return
                member.machine, lost = None, (machine, error)
            except NodeError:
                return  # the head sees it too, and the session ends
            else:
                if reason is not None and not self.over.done():
                    self.over.set_result(reason)
                return

    @contextlib.asynccontextmanager
    async def _in_turn(self, published: Demand | asyncio.Task[Demand] | None) -> AsyncIterator[Demand | None]:
        """Wait for a turn, while the demand, where there is one, stays on the market."""
        demand = await asyncio.shield(published) if isinstance(published, asyncio.Task) else published
        with demand.sought() if demand is not None else contextlib.nullcontext():
            async with self._turns.next():
                yield demand

    async def _abandon(self, member: _Member) -> None:
        """Let go of whatever there is in a slot."""
        machine, member.machine = member.machine, None
        if machine is not None:
            await each_alone(machine.activity.release())
            await each_alone(machine.activity.aclose())
        await each_alone(member.renting.abandon())

    async def _wait_for_the_market(self, member: _Member, why: LauncherError) -> None:
        """Say that a machine has no provider, and why, until it is looked for again, or is not wanted any more."""
        recorder = member.slot.recorder
        again = f"{why.what} A provider is looked for again in {_AGAIN_SECONDS:.0f} s."
        recorder.enter(Stage.RECOVERING if recorder.state.lost else Stage.NEGOTIATING)
        recorder.trouble(again)
        recorder.message(again, "warning")
        with contextlib.suppress(TimeoutError):
            await wait_for(member.leaving.wait(), _AGAIN_SECONDS)
        recorder.trouble("")

    async def _empty(self, member: _Member) -> None:
        """End the machine in a slot that is not wanted any more; the slot is free then."""
        recorder, machine, member.machine = member.slot.recorder, member.machine, None
        member.emptying = True
        if machine is not None:
            self._gone.append(machine.rented.agreement_id)
            recorder.enter(Stage.STOPPING)
            await member.slot.files.detach()
            await member.renting.release(machine)
            await machine.activity.aclose()
        recorder.update(activity_id=None, ip=None, price_per_hour=None, usage=None, gpus=None, trouble="")
        recorder.enter(Stage.ENDED)
        member.task, member.emptying = None, False
        member.leaving.clear()
        self.scale(self._wanted)  # more may be wanted again by now

    async def _rent(
        self, member: _Member, demand: Demand | None, lost: tuple[Machine, ProviderError] | None
    ) -> Machine:
        """A machine by a demand that is on the market, by another one, or in place of one that was lost."""
        if lost is not None:
            return await member.renting.replace(*lost)
        return await member.renting.rent(demand or await member.renting.publish_anew())

    async def _watch(self, member: _Member, machine: Machine) -> str | None:
        """Until the session is over by its own terms, and the reason, or the machine is not wanted any more.

        Raises ``ProviderError`` and ``NodeError``.
        """
        recorder = member.slot.recorder
        recorder.update(activity_id=machine.rented.activity_id, ip=machine.rented.ip)
        recorder.enter(Stage.READY)
        for notice in machine.notices:
            recorder.notice(notice)
        recorder.message(f"It is ready at {machine.rented.provider_name}.")
        monitor = member.monitor = Monitor(self._session, member.slot, machine)
        try:
            async with first_of(monitor.until_over(), member.leaving.wait()) as (watching, _):
                return watching.result() if watching.done() else None
        finally:
            member.monitor = None
