"""Rents a machine whose workload answers, for a slot of a session, and another where it was lost."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.errors import (
    ImageBlamed,
    LauncherError,
    MarketError,
    NodeError,
    NodeUnreachable,
    ProviderError,
    ProviderGone,
)
from golem_launcher.events import Stage
from golem_launcher.market.constraint import condition
from golem_launcher.rental.no_provider import no_provider
from golem_launcher.session.machines.node_address_change import follow_node
from golem_launcher.session.machines.provider_loss import Loss, nobody_left, why_no_other
from golem_launcher.session.machines.workload_start import WorkloadStart
from golem_launcher.session.on_disk.held_machines import held_machines
from golem_launcher.waiting import cancel_all
from golem_launcher.workload.archive import spare_pip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from golem_launcher.rental.activity_spec import Rented
    from golem_launcher.rental.demand import Demand
    from golem_launcher.rental.provider_activity import ProviderActivity
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.endpoints.machine_slot import MachineSlot

_ATTEMPTS = 3
_SCAN_SECONDS = 3.0
_NODE_SECONDS = 60.0
"""How long a node may be away while a provider makes ready."""
_NODE_POLL_SECONDS = 0.5
_LAST_SAVE_SECONDS = 30.0
_SEARCH_SECONDS = 30.0
"""Another provider is looked for at least this long, whatever the market looks like at first: offers are renewed now
and then, all of them when a clock was set, and a provider that was lost may be back."""
_SEARCHING = {
    Stage.NEGOTIATING: "Looking for another provider.",
    Stage.DEPLOYING: "Another provider makes ready.",
    Stage.STARTING: "{name} starts there.",
}
"""What is said of a stage that a session passes again because its provider was lost."""
_PASSED_IN_ORDER = tuple(_SEARCHING)
"""By each provider that is tried."""


@dataclass(frozen=True)
class Machine:
    """A rented provider whose workload answers."""

    rented: Rented
    activity: ProviderActivity
    """Where it runs, and by which agreement: it is let go of there."""
    notices: tuple[str, ...]
    """What the user should know of how it was made ready."""


class Renting:
    """The machines in one slot of a session, one after the other."""

    def __init__(
        self,
        session: Prepared,
        slot: MachineSlot,
        room: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """``room``: what each holds while it is made ready, as :class:`WorkloadStart` has it."""
        self.session = session
        self._slot = slot
        self._recorder = slot.recorder
        self._start = WorkloadStart(session, slot, room)
        self._passed = 0
        """Which of the stages that renting passes was entered last."""
        self._activity: ProviderActivity | None = None
        """Of a machine that is not ready yet."""

    async def publish(self, loss: str = "") -> Demand:
        """Put a demand on the market; offers come in from now on. ``loss``: what it makes good, in words."""
        session = self.session
        self._enter(Stage.NEGOTIATING, loss)
        others = session.engine.works
        demand = await session.engine.publish(session.request, clock.told(session.deadline.agree(others=others)))
        if not session.image.familiar:
            await asyncio.to_thread(spare_pip)  # kept, for the moment when it is sent
        return demand

    async def publish_anew(self) -> Demand:
        """The same where nobody was found before: the market is seen anew."""
        await self.session.extension.mind_clock(self.session.rest)
        self._look_again()
        return await self.publish()

    async def rent(self, demand: Demand, loss: Loss | None = None) -> Machine:
        """A machine by a demand that is on the market, to make good a ``loss`` where there was one.

        Raises ``MarketError`` or ``BudgetError`` when there is none.
        """
        with contextlib.ExitStack() as seeking:
            seeking.enter_context(demand.sought())
            return await self._rent(demand, loss, seeking)

    async def _rent(self, demand: Demand, loss: Loss | None, seeking: contextlib.ExitStack) -> Machine:
        session = self.session
        activity = self._activity = session.engine.activity(demand, self._start.spec, self._recorder.progress)
        lost, least_seconds = ("", 0.0) if loss is None else (loss.words, _SEARCH_SECONDS)
        for _ in range(_ATTEMPTS):
            await self._agree(activity, least_seconds)
            self._enter(Stage.DEPLOYING, lost)
            try:
                rented, notices = await self._start.until_ready(activity, lambda: self._enter(Stage.STARTING, lost))
            except ProviderError as error:
                if forgotten := await self._node_began_anew():
                    await self._let_go(activity)
                    seeking.close()
                    await session.engine.renew(forgotten)
                    demand = await self.publish(lost)
                    seeking.enter_context(demand.sought())
                    activity = self._activity = session.engine.activity(
                        demand, self._start.spec, self._recorder.progress
                    )
                    continue
                await self._give_up(activity, error)
                self._enter(Stage.NEGOTIATING, lost)
            else:
                for blamed in session.image_faults.refuted():
                    session.choice.failed(*blamed)
                self._activity = None
                told = [] if loss is None else [loss.made_good(rented.provider_name)]
                return Machine(rented, activity, (*told, *notices))
        raise await self._nobody()

    async def replace(self, lost: Machine, error: ProviderError) -> Machine:
        """Another machine in the place of one that was ``lost``. Raises ``LauncherError`` when there is none."""
        return await self.make_good(await self.lose(lost, error))

    async def lose(self, lost: Machine, error: ProviderError) -> Loss:
        """A machine is ``lost``: nothing leads there any more, and nothing is saved from there.

        Raises ``ProviderError`` when the session does not go on elsewhere.
        """
        session = self.session
        rented = lost.rented
        disputed = session.money.dispute(rented.agreement_id) is not None
        session.journal.note(rented.agreement_id, lost_at=clock.now())
        try:
            words = self._write_down(rented, error, overbilled=disputed)
            if disputed:  # it is still there: nothing need be lost
                if self._slot.is_head:
                    with contextlib.suppress(LauncherError):
                        await session.saves.save_all(_LAST_SAVE_SECONDS)
                await self.release(lost)
            await self._slot.files.detach()  # a generation that is being written counts
            return Loss(words, self._slot.files.saved_last())
        finally:  # also where no other is to be asked: nobody is to pay for one that is not watched
            self._slot.endpoint.point_nowhere()
            await lost.activity.aclose()  # nothing is asked of it
            session.terminations.begin(session.rest, session.journal, rented.agreement_id)

    async def make_good(self, loss: Loss) -> Machine:
        """Another machine after a ``loss``. Raises ``LauncherError`` when there is none."""
        await self.session.extension.mind_clock(self.session.rest)
        self._look_again()
        try:
            return await self.rent(await self.publish(loss.words), loss)
        except NodeError:
            raise
        except LauncherError as why:
            raise nobody_left(self.session, loss.words, why) from None

    async def abandon(self) -> None:
        """Let go of whoever is being rented, after :meth:`rent` raised or was cancelled; bounded in time."""
        activity, self._activity = self._activity, None
        self._slot.endpoint.point_nowhere()
        await self._slot.files.detach()
        if activity is not None:
            await activity.release()
            await activity.aclose()

    async def release(self, machine: Machine) -> None:
        """Let go of a machine in good order, bounded in time."""
        self._slot.endpoint.point_nowhere()
        await machine.activity.release()

    def _enter(self, stage: Stage, lost: str) -> None:
        """A stage of renting; one that is passed again because of a loss is a part of recovering."""
        before, self._passed = self._passed, _PASSED_IN_ORDER.index(stage)
        if lost:
            words = f"{lost} {_SEARCHING[stage].format(name=self._slot.workload.title)}"
            self._recorder.enter(Stage.RECOVERING, words, same_try=self._passed >= before)
        else:
            self._recorder.enter(stage)

    async def _give_up(self, activity: ProviderActivity, error: ProviderError) -> None:
        """Let go of a provider whose workload did not answer; that it blames the image is not its own fault yet.

        Nothing is asked of one that is gone, and nobody waits for it.
        """
        session = self.session
        entry = activity.agreement
        provider = ("", "") if entry is None else (entry.provider_id, entry.provider_name)
        self._recorder.message(f"{provider[1]}: {error.what}", "warning")
        self._slot.endpoint.point_nowhere()
        await self._slot.files.detach()
        if isinstance(error, ImageBlamed):
            session.choice.blames_image(*provider, error.what)
            await activity.release()
            self.session.image_faults.hear(*provider, error)
        elif session.money.dispute(activity.agreement_id) is not None:
            session.choice.ban(*provider, error.what)
            await activity.release()
        elif isinstance(error, ProviderGone):
            session.choice.lost(*provider, error.what)
            session.journal.note(activity.agreement_id, lost_at=clock.now())
            await activity.aclose()
            session.terminations.begin(session.rest, session.journal, activity.agreement_id)
        else:
            await activity.give_up(error.what)

    async def _node_began_anew(self) -> str:
        """The private network that a node forgot which was started anew: no provider is to blame for that; else empty.

        Waits for a node that is away. Raises ``NodeUnreachable`` when it stays away.
        """
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _NODE_SECONDS
        network_id = self.session.engine.network_id
        while True:
            try:
                known = {str(network.get("id")) for network in await self.session.rest.networks()}
            except NodeUnreachable:
                if loop_time() > end:
                    raise
                if not await follow_node(self.session):
                    await asyncio.sleep(_NODE_POLL_SECONDS)
            else:
                return "" if network_id in known else network_id

    async def _let_go(self, activity: ProviderActivity) -> None:
        """Let go of whoever was being rented when the node was started anew."""
        self._recorder.message("The node was started anew meanwhile, so a provider is looked for again.", "warning")
        self._slot.endpoint.point_nowhere()
        await self._slot.files.detach()
        await activity.release()
        await activity.aclose()

    async def _nobody(self, offers: Sequence[Mapping[str, Any]] = ()) -> LauncherError:
        """Why nobody was found; ``offers``: what the market has, when it is known."""
        held = await asyncio.to_thread(held_machines, self.session.request.network)
        return self.session.image_faults.instead_of(no_provider(self.session.choice, held, offers))

    async def _agree(self, activity: ProviderActivity, least_seconds: float) -> None:
        """An agreement with somebody, or the reason why there is none, as early as it is known.

        Somebody is looked for at least ``least_seconds``, even where nobody that fits is on the market.
        """
        patience, choice = self.session.network.patience, self.session.choice
        patience = replace(patience, refused=max(patience.refused, least_seconds))
        first = max(patience.look, least_seconds)
        on_offer = asyncio.ensure_future(self._offers(after=first - _SCAN_SECONDS))
        try:
            await activity.agree(replace(patience, search=first))
        except MarketError:
            offers = [] if choice.looked_at else await on_offer
            if choice.hopeless or (offers and not any(map(choice.fits, offers))):
                raise await self._nobody(offers) from None
            try:
                await activity.agree(patience)
            except MarketError:
                raise await self._nobody() from None
        finally:
            self.session.recorder.update(providers_seen=choice.judged)
            await cancel_all(on_offer)
        if activity.agreement is not None:
            provider_id = activity.agreement.provider_id
            self._recorder.agreed(activity.agreement, choice.gpus_of(provider_id))
            for words in choice.why_dearer(provider_id):
                self._recorder.message(words)
        await activity.begin()

    async def _offers(self, *, after: float) -> list[dict[str, Any]]:
        """What the market has ``after`` so long, whether it fits or not; nothing when that is known or can't be."""
        await asyncio.sleep(max(after, 0.0))
        if self.session.choice.looked_at:
            return []
        try:
            return await self.session.rest.offers(
                condition("golem.node.debug.subnet", "=", self.session.connection.subnet), seconds=_SCAN_SECONDS
            )
        except NodeError:
            return []

    def _write_down(self, lost: Rented, error: ProviderError, *, overbilled: bool) -> str:
        """A provider is lost: what happened, in words. Raises ``ProviderError`` when no other should be asked."""
        choice, recorder = self.session.choice, self._recorder
        if overbilled:
            choice.ban(lost.provider_id, lost.provider_name, error.what)
        else:
            choice.lost(lost.provider_id, lost.provider_name, error.what)
        recorder.lost(lost.provider_name, error.what)
        words = f"The provider {lost.provider_name} was lost: {error.what}"
        refusal = why_no_other(self.session)
        if not refusal:  # before its loss is counted: no state shall show a session as ready whose provider was lost
            self._enter(Stage.NEGOTIATING, words)
        recorder.count_loss()
        if refusal:
            raise ProviderError(words, refusal)
        return words

    def _look_again(self) -> None:
        """Let the choice see the market anew, for what is left of time and money; how providers stand is kept."""
        choice, request = self.session.choice, self.session.request
        cluster = self.session.cluster
        left: dict[str, Any] = {"hours": self.session.deadline.hours_left, "budget": self.session.money.left}
        if cluster is not None:
            left["workers"] = cluster.wanted
        choice.look_again(request.model_copy(update=left))
