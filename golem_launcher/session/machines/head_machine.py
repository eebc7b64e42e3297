"""The first machine of a session, whoever rents it out: made ready, watched, and another one when it is lost or left.

It has the workspace, and the session's address leads to it. Whose place it takes when it comes is let go of here.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher import clock
from golem_launcher.errors import NodeError, ProviderError, SessionError
from golem_launcher.events import Stage
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session.lifetime.borrowed_gpu import GPU_WAS_BORROWED, BorrowedGpu
from golem_launcher.session.machines.monitor import Monitor
from golem_launcher.session.machines.newcomers.moving import Move
from golem_launcher.session.machines.newcomers.standby import Standby
from golem_launcher.session.machines.renting import Renting
from golem_launcher.waiting import cancel_all, each_alone, first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.rental.demand import Demand
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.context import Context, Prepared
    from golem_launcher.session.machines.newcomers.newcomer import Newcomer
    from golem_launcher.session.machines.renting import Machine

_T = TypeVar("_T")


class Head:
    """The head of one session.

    Call ``work`` once, then ``release`` and ``aclose``; ``move`` whenever its user wants that.
    """

    def __init__(self, session: Context, ending: Callable[[], bool]) -> None:
        """``ending``: whether the session's end was asked for, so that no other provider is taken."""
        self._session = session
        self._recorder = session.recorder
        self._ending = ending
        self._renting: Renting | None = None
        self.machine: Machine | None = None
        """The one whose workload became ready, unless it was lost."""
        self.monitor: Monitor | None = None
        """While it is watched."""
        self._standby: Standby | None = None
        """Keeps a machine that takes over when this one is lost, where one is wanted."""
        self._move: Move | None = None
        """The last one to another machine."""
        self._arrived = asyncio.Event()
        """Set while the machine of a move is ready and not the head yet."""
        self._leaving: set[asyncio.Task[list[str]]] = set()
        """The ends of machines that were moved away from; each tells the agreement."""
        self.borrowed_gpu = BorrowedGpu(self, session.recorder, session.directory.path)
        """What cells that need a GPU asked for."""

    @property
    def present(self) -> LaunchRequest | None:
        """What is asked of the machine where it is; ``None`` before there is one."""
        return None if self._renting is None else self._renting.session.request

    @property
    def standby_clients(self) -> list[WorkloadClient]:
        """The client of the machine that stands by."""
        return self._standby.clients if self._standby is not None else []

    async def busy(self) -> int:
        """How many notebooks run a cell there, as its Lab says."""
        return 0 if self.monitor is None else await self.monitor.client.busy_kernels()

    async def work(self, renting: Renting, demand: Demand) -> str:
        """Have one until the session is over by its own terms; the reason. Raises ``LauncherError``."""
        self._renting = renting
        if renting.session.request.standby:
            self._standby = Standby(renting.session)
        machine = await self._in_time(renting.rent(demand))
        while True:
            try:
                reason = await self._be_ready(renting.session, machine)
            except ProviderError as error:
                if self._ending():
                    raise
                if self._move is None or not await self._move.takes_over():
                    renting, machine = await self._in_time(self._recover(renting, machine, error))
                    continue
                reason = None
            if reason is not None:
                return reason
            renting, machine = await self._move_in(machine)

    async def _in_time(self, making: Awaitable[_T]) -> _T:
        """What comes of making a machine ready. Raises ``SessionError`` once the session's time is over.

        What watches that at a machine is there once the machine is ready.
        """
        async with first_of(making, self._session.deadline.passed()) as (made, _):
            if made.done():
                return made.result()
        raise SessionError("Its time was over before a machine was ready.", "Give the next one more: --hours 2")

    async def _be_ready(self, session: Prepared, machine: Machine) -> str | None:
        """Until the session is over by its own terms, and the reason; or it goes on at another machine, as asked.

        Raises ``ProviderError``, ``NodeError`` and ``AccessError``.
        """
        recorder = self._recorder
        await session.endpoint.open_link()
        recorder.update(
            address=session.endpoint.address,
            base_url=session.endpoint.base_url,
            gate_port=session.endpoint.gate_port,
            extendable_until=clock.told(session.deadline.extendable_until)
            if session.deadline.extendable_until
            else None,
        )
        head = session.slots[0]
        head.recorder.update(activity_id=machine.rented.activity_id, ip=machine.rented.ip)
        for notice in machine.notices:
            head.recorder.notice(notice)
        recorder.enter(Stage.READY)
        session.saves.begin()
        witness = None
        if self._standby is not None:
            await self._standby.begin(session)
            witness = self._standby.answers
        self.machine, self.monitor = machine, Monitor(session, head, machine, witness)
        try:
            async with first_of(self.monitor.until_over(), self._arrived.wait()) as (over, _):
                return over.result() if over.done() else None
        except (ProviderError, NodeError):
            self.machine = None
            raise
        finally:
            self.monitor = None

    async def _recover(self, renting: Renting, lost: Machine, error: ProviderError) -> tuple[Renting, Machine]:
        """Go on at the standby, where there is one that has what was saved; else at whoever is found now.

        A GPU that was borrowed is not sought again. Raises ``LauncherError`` when there is nobody.
        """
        loss = await renting.lose(lost, error)
        newcomer = await self._standby.take() if self._standby is not None else None
        if newcomer is None:
            renting, told = await self._without_borrowed_gpu(renting)
            machine = await renting.make_good(loss)
            return renting, replace(machine, notices=(*machine.notices, *told))
        renting, machine = await self._go_on_at(newcomer)
        made_good = loss.made_good(machine.rented.provider_name)
        return renting, replace(machine, notices=(made_good, *machine.notices))

    async def _move_in(self, left: Machine) -> tuple[Renting, Machine]:
        """Go on at the machine that a move has made ready, and let go of the one that is ``left``."""
        move = self._move
        assert move is not None
        self._move = None
        self._arrived.clear()
        gone_on = await self._go_on_at(move.newcomer)
        await self._note(move.newcomer.session.request)
        move.done()
        leaving = asyncio.create_task(_let_go(left))
        self._leaving.add(leaving)
        return gone_on

    async def _without_borrowed_gpu(self, renting: Renting) -> tuple[Renting, list[str]]:
        """What is to find whoever takes its place, who need not have a GPU that was borrowed; what to tell the user."""
        session = renting.session
        request = self.borrowed_gpu.without(session.request)
        if request == session.request:
            return renting, []
        session.saves.rented_by(request)
        await self._note(request)
        self._renting = Renting(replace(session, request=request), session.slots[0])
        return self._renting, [GPU_WAS_BORROWED]

    async def _note(self, request: LaunchRequest) -> None:
        """Write down by which ``request`` it is rented: whoever resumes the session asks for such a machine."""
        try:
            await asyncio.to_thread(self._session.directory.change_request, request)
        except OSError as error:  # it is there, and goes on
            why = f"This computer's disk does not take it ({error.strerror})"
            self._recorder.message(f"{why}: resumed, the session asks for such a machine as before.", "warning")

    async def _go_on_at(self, newcomer: Newcomer) -> tuple[Renting, Machine]:
        """Have the session's address lead to a machine that has taken the lead: it is the head now."""
        session, machine = newcomer.session, newcomer.machine
        assert machine is not None
        head = session.slots[0]
        head.endpoint.take_over(newcomer.endpoint, session.connection.node, machine.rented)
        if (agreement := machine.activity.agreement) is not None:
            head.recorder.agreed(agreement, session.choice.gpus_of(agreement.provider_id))
        head.recorder.trouble("")
        session.saves.rented_by(session.request)
        await session.saves.move_in(machine.activity.bulk_transfer())
        await newcomer.aclose()
        self._renting = Renting(session, head)
        return self._renting, machine

    async def move(self, changes: dict[str, Any], *, now: bool = False) -> int:
        """Begin to move to another machine: the request with ``changes``, ``now`` whatever runs. Which move it is.

        How it goes on is in the session's state. Raises ``LauncherError``.
        """
        renting = self._renting
        if renting is None or self.monitor is None or self._ending():
            stage = self._recorder.state.stage.value
            raise SessionError(f"The session is {stage}; it can move while it is ready.", "Try again then.")
        if self._move is not None and (self._arrived.is_set() or not self._move.over):
            raise SessionError("It is moving already.", f"See it: golem-launcher show {self._session.directory.name}")
        request = on_another_machine(renting.session.request, changes)
        _check_movable(request)
        last, before = self._move, self._recorder.state.move
        number = 1 if before is None else before.number + 1
        self._move = Move(  # at once: nothing may come in between
            renting.session,
            request,
            number,
            busy=_nobody if now else self.busy,
            begins=self._hold_off,
            arrived=self._arrived.set,
            failed=self._stay,
        )
        if last is not None:
            await last.aclose()
        self._session.endpoint.lab_pages.agreed("move", "gpu")
        await self._recorder.flush()
        return number

    async def _hold_off(self) -> None:
        """A move begins: nobody else looks for a machine meanwhile."""
        if self._standby is not None:
            await self._standby.hold_off()

    async def _stay(self) -> None:
        """A move has failed: what was held off for it goes on."""
        if self._standby is not None and self._renting is not None:
            await self._standby.begin(self._renting.session)

    async def take_move_back(self, why: str) -> None:
        """Give a move up, unless the present machine is being left by now; ``why`` is a sentence."""
        if self._move is not None:
            await self._move.take_back(why)

    async def stay(self) -> None:
        """Give up the move that is under way. Raises ``SessionError`` where there is none, or it is too late."""
        if self._move is None or not await self._move.take_back("You had it stay."):
            raise SessionError("There is no move that could be given up: none was begun, or it goes over just now.")

    def hurry_move(self) -> None:
        """Have the move under way not wait for cells that run. Raises ``SessionError`` where there is none."""
        if self._move is None or self._move.over:
            raise SessionError("It is not moving.")
        self._move.hurry()

    async def end_move(self, why: str) -> None:
        """Give a move up, unless it is over; ``why`` is a sentence."""
        if self._move is not None:
            await self._move.end(why)

    async def close_move(self) -> None:
        """End a move for good, as the session ends."""
        if self._move is not None:
            await self._move.aclose()

    async def release(self) -> list[str]:
        """Let go of it, of the standby and of those that were left, in good order and bounded in time; agreements."""
        of_standby = [self._standby.release()] if self._standby is not None else []
        released = await each_alone(self._release_own(), *of_standby, *self._leaving)
        return [agreement for some in released for agreement in some]

    async def _release_own(self) -> list[str]:
        if self._renting is None or self.machine is None:
            return []
        await self._renting.release(self.machine)
        return [self.machine.rented.agreement_id]

    async def aclose(self) -> None:
        """Stop letting go, watching and looking for others; what is left is closed down by the journal."""
        await cancel_all(*self._leaving)
        if self._standby is not None:
            await self._standby.aclose()


async def _nobody() -> int:
    """Asked how many cells run when that is not to matter."""
    return 0


async def _let_go(machine: Machine) -> list[str]:
    """End a machine that was moved away from, in good order; its agreement."""
    try:
        await machine.activity.release()
    finally:
        await machine.activity.aclose()
    return [machine.rented.agreement_id]


def _check_movable(request: LaunchRequest) -> None:
    """Raise ``SessionError`` for a session that can't go on at another machine."""
    if not request.save:
        raise SessionError(
            "Nothing is saved in this session, so there is nothing to go on with at another machine.",
            "Start a new one; without --no-save it can move.",
        )
    if request.machines > 1 or request.has_cluster:
        raise SessionError(
            "A session of several machines does not move.",
            f"Stop it, and start it with another head: golem-launcher start --resume {request.workspace}",
        )
