"""Watches a machine that is ready: its workload, activity and agreement, the node, the cost, the deadline.

yapapi reports none of these once a service runs (yapapi#870), so each is asked here, every few seconds. What the node
says of bills is heard at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import BusError, NodeError, NodeUnreachable, ProviderError, ProviderGone
from golem_launcher.events import Stage
from golem_launcher.session.lifetime import computer_sleep
from golem_launcher.session.lifetime.end_warnings import Warnings
from golem_launcher.session.machines.benchmarking import measure_once
from golem_launcher.session.machines.node_address_change import follow_node
from golem_launcher.session.machines.provider_watch import (
    SLEPT_SECONDS,
    VANISHED,
    ConnectionRefusal,
    ProviderWatch,
    longest_silence,
)
from golem_launcher.session.machines.usage_meter import follow_usage
from golem_launcher.session.saving.kept_variables import follow_variables
from golem_launcher.session.saving.save_watchdog import SaveWatchdog
from golem_launcher.units import duration
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.rental.activity_spec import Rented
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.endpoints.machine_slot import MachineSlot
    from golem_launcher.session.machines.renting import Machine

ROUND_SECONDS = 2.5
_ROUND_BESIDE_STANDBY = 1.0
"""A machine that is lost is to be known as lost soon, where another one could go on at once."""
_TROUBLED_ROUND_SECONDS = 0.5
_FEW = 16
"""So many machines are asked at the pace above; more of them one by one less often, as all their ways lead through one
node, which must not be kept busy by that alone."""
_PROBE_SECONDS = 3.0
_REJOIN_SECONDS = 25.0
_REJOIN_PROBE_SECONDS = 2.0
_REJOIN_POLL_SECONDS = 0.1
_PROMPT_SECONDS = 1.0
"""A workload that takes longer to answer may be gone."""
_SHOWN_SECONDS = 4.5
"""One that was not heard for so long is shown as one that does not answer."""
_ASKED = "It is asked again and again."
_ASKED_OR_REPLACED = "It is asked again and again; if its machine is lost, another takes its place."
"""What is done about a workload that is silent."""
_SILENT_SECONDS = 120.0
"""Of one that takes connections, and may be busy."""
_WARN_SECONDS = 15.0
_NODE_AWAY_SECONDS = 300.0
"""A provider waits about four minutes for its requestor before it gives up."""
_WAITS = (
    f"The session waits {duration(_NODE_AWAY_SECONDS)} for it. The launcher's own node is found at another "
    "address by itself; of any other say the new one: golem-launcher node use URL"
)
_EARLY_INVOICE = (
    "The provider sent its invoice while the session ran. More than that is not paid, so it may stop at any moment."
)
_BUDGET_MARGIN_SECONDS = 30.0
"""Of work at the highest price: for the last save and the end."""

TIME_IS_OVER = "The time that was asked for is over."


class Monitor:
    """One machine of a session from the moment at which it is ready; made where a loop runs, for one ``until_over``.

    What concerns all of a session is seen to by the head's.
    """

    def __init__(
        self,
        session: Prepared,
        slot: MachineSlot,
        machine: Machine,
        witness: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """``witness``: whether another machine answers at the moment, so that silence is not this side's line's."""
        now = asyncio.get_running_loop().time()
        self._session = session
        self._slot = slot
        self._recorder = slot.recorder
        self._node = session.connection.node
        """Where its way leads through."""
        self._rented = machine.rented
        self.client: WorkloadClient = slot.endpoint.client()
        """Of its workload, until it is over."""
        self._name = slot.workload.title
        self._witness = witness
        self._bills = session.money.news(machine.rented.agreement_id)
        self._warnings = Warnings(session.recorder, session.deadline)
        self._stalled = SaveWatchdog(session.recorder)
        self._provider = ProviderWatch(session, machine.rented.agreement_id, machine.rented.activity_id)
        self._answered_at = now
        self._refusal = ConnectionRefusal(slot.endpoint)
        self._troubled = False
        self._node_away_since: float | None = None
        self._warned = False
        self._given_up = ""
        """Why whoever uses it wants another in its place; empty while nobody does."""

    @property
    def rented(self) -> Rented:
        """The machine as it is reached now: in another private network once its node was started anew."""
        return self._rented

    def give_up(self, why: str) -> None:
        """Treat the machine as lost, for the reason ``why``, a sentence.

        Called when the user asks for another provider.
        """
        self._given_up = why
        self._bills.set()

    async def until_over(self) -> str:
        """Follow its log and its usage and watch it until the session is over by its own terms; the reason.

        Raises ``ProviderError`` when the machine is lost and ``NodeError`` when the node stays away.
        """
        async with self.client:
            followers = [asyncio.create_task(follower) for follower in self._followers()]
            try:
                return await self._watch()
            finally:
                await cancel_all(*followers)

    def _followers(self) -> list[Coroutine[Any, Any, None]]:
        session = self._session
        usage = follow_usage(self.client, self._slot.endpoint, self._recorder)
        followers = [self.client.follow_log(self._slot.log), usage]
        if self._slot.is_head and session.request.save and session.request.kernel_state:
            followers.append(follow_variables(self.client, session.recorder))
        if session.request.choose == "speed":
            followers.append(measure_once(self.client, self._recorder))
        if session.cluster is not None and self._slot.is_head:
            followers.append(session.cluster.lead(self.client, self._slot.endpoint, self._rented.ip))
        elif session.cluster is not None and self._slot.workload is not session.workload:
            endpoint = self._slot.endpoint
            followers.append(session.cluster.join(self.client, endpoint, self._recorder, self._rented.ip))
        if self._slot.is_head:
            followers.append(session.idle.watch(self.client, session.request))
        if self._slot.is_head and not session.network.sleeps_along:
            followers.append(computer_sleep.watch(session.saves.save_all, session.recorder))
        return followers

    async def _watch(self) -> str:
        while True:
            left = self._session.deadline.left
            if left <= 0:
                return TIME_IS_OVER
            await self._pause(left)
            if self._given_up:
                raise ProviderError(self._given_up)
            await self._session.extension.mind_clock(self._session.rest)
            try:
                reason = await self._round()
            except NodeUnreachable as error:
                await self._node_is_away(error)
                continue
            if reason is not None:
                return reason
            if self._slot.is_head:
                self._warnings.look()
                self._stalled.look()
                if self._session.idle.due:
                    return self._session.idle.end()

    async def _pause(self, left: float) -> None:
        """Until the next round is due, or there is news of a bill."""
        clock = asyncio.get_running_loop().time
        troubled = self._troubled or self._node_away_since
        pace = max(1.0, self._session.request.machines_wanted / _FEW)
        well = _ROUND_BESIDE_STANDBY if self._session.request.standby else ROUND_SECONDS
        seconds = min((_TROUBLED_ROUND_SECONDS if troubled else well) * pace, left)
        due = clock() + seconds
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(self._bills.wait(), seconds)
        self._bills.clear()
        if clock() - due > SLEPT_SECONDS:  # this computer slept: who was silent was not to be heard
            self._provider.pardon()
            self._answered_at = clock()
            self._refusal.pardon()

    async def _round(self) -> str | None:
        session, agreement_id = self._session, self._rented.agreement_id
        asking = asyncio.create_task(self.client.answers(seconds=_PROBE_SECONDS))
        invoiced = session.money.has_invoice(agreement_id)  # before it is asked whether the agreement is over
        try:
            state = await self._provider.state()
            if invoiced:
                session.money.disputed(agreement_id, _EARLY_INVOICE)
            self._judge_bills()
            well = await self._answers(asking)
        finally:
            await cancel_all(asking)
        if self._node_away_since is not None or not well:
            await self._find_network()
        if self._node_away_since is not None:
            self._node_answers()
        session.engine.revive()  # a provider whose debit notes nobody accepts ends the session within minutes
        usage = await self._provider.look_at_usage() if state is not None else None
        ended = self._slot.workload.ends_session and await self.client.has_ended()
        if ended and self._slot.is_head:
            return f"{self._name} has ended."
        await self._judge_silence(well=well or ended)  # another machine has done its work, and waits for the head's
        return session.money.used(agreement_id, usage, reserve_seconds=_BUDGET_MARGIN_SECONDS)

    def _judge_bills(self) -> None:
        """Raise ``ProviderError`` when a bill was not accepted and others are to be asked."""
        dispute = self._session.money.dispute(self._rented.agreement_id)
        if dispute is not None and self._session.request.recover:
            raise ProviderError(dispute)

    async def _answers(self, asking: asyncio.Task[bool]) -> bool:
        """Whether the workload answers; while it hesitates, the provider's usage is looked at closely."""
        await asyncio.wait({asking}, timeout=_PROMPT_SECONDS)
        while not asking.done():
            await self._provider.look_at_usage()
            self._show_trouble()
            if await self._vanished():
                return False
            await self._judge_refusal()
            await asyncio.wait({asking}, timeout=_TROUBLED_ROUND_SECONDS)
        if not asking.result():
            await self._judge_refusal()
        return asking.result()

    def _show_trouble(self) -> None:
        silent = asyncio.get_running_loop().time() - self._answered_at
        doing = _ASKED_OR_REPLACED if self._session.request.recover else _ASKED
        self._recorder.trouble(f"{self._name} does not answer. {doing}" if silent >= _SHOWN_SECONDS else "")

    async def _judge_refusal(self) -> None:
        """Raise ``ProviderError`` when nobody over there takes connections any more."""
        if await self._refusal.is_final():
            raise ProviderError(f"{self._name} is gone: nothing there takes connections any more.")

    async def _vanished(self) -> bool:
        """Whether there was no sign of life for too long: yagna goes on telling the last state."""
        silent = asyncio.get_running_loop().time() - max(self._provider.reported_at, self._answered_at)
        most = longest_silence(self._session)
        if self._witness is None or silent >= most:
            return silent >= most
        return silent >= self._session.network.patience.silent_alone and await self._witness()

    async def _judge_silence(self, *, well: bool) -> None:
        """Raise ``ProviderError`` for a provider that is gone: neither its workload answers nor does its usage grow."""
        now = asyncio.get_running_loop().time()
        self._answered_at = now if well else self._answered_at
        self._troubled = not well
        self._show_trouble()
        if well and self._warned:
            self._warned = False
            self._recorder.message(f"{self._name} answers again.")
        if well:
            self._refusal.pardon()
            return
        silent = now - self._answered_at
        if await self._vanished():
            raise ProviderGone(VANISHED)
        if silent >= _SILENT_SECONDS:
            raise ProviderError(f"{self._name} stopped answering.")
        if silent >= _WARN_SECONDS and not self._warned:
            self._warned = True
            self._recorder.message(f"{self._name} does not answer; waiting for it.", "warning")

    async def _node_is_away(self, error: NodeUnreachable) -> None:
        now = asyncio.get_running_loop().time()
        self._refusal.pardon()
        if self._node_away_since is None:
            self._node_away_since = now
            if self._slot.is_head:
                self._recorder.message(f"{error.what} The session waits for it.", "error")
            self._recorder.enter(Stage.RECOVERING, f"{error.what} {_WAITS}")
        elif self._node is not self._session.connection.node or await follow_node(self._session):
            self._node = self._session.connection.node
            self._slot.endpoint.point_at(self._node, self._rented)
        elif now - self._node_away_since > _NODE_AWAY_SECONDS:
            raise NodeUnreachable(
                f"The node stayed away for {duration(_NODE_AWAY_SECONDS)}. {error.what}",
                "What was saved is kept: once the node answers, go on with --resume.",
            )

    async def _find_network(self) -> None:
        """Private networks live in the node's memory alone: one that was started anew gets another."""
        known = {str(network.get("id")) for network in await self._session.rest.networks()}
        if self._rented.network_id in known:
            return
        what = "The node was started anew, and forgot the private network to the provider."
        self._recorder.message(f"{what} It is made again.", "warning")
        self._recorder.enter(Stage.RECOVERING, f"{what} It is made again.", same_try=True)
        self._rented = await self._rejoin()
        self._node_away_since = self._node_away_since or asyncio.get_running_loop().time()  # it was, for a moment

    async def _rejoin(self) -> Rented:
        """Reach the machine again after the node was started anew: in another private network.

        Raises ``ProviderError`` when that does not work.
        """
        session = self._session
        what = "The node was started anew, and the private network to the provider went with the old one."
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _REJOIN_SECONDS
        self._slot.endpoint.point_nowhere()
        try:
            again = await session.engine.rejoin(self._rented)
        except (BusError, NodeError) as error:
            raise ProviderError(f"{what} {error.what}") from error
        self._slot.endpoint.point_at(session.connection.node, again)
        while not await self.client.answers(seconds=_REJOIN_PROBE_SECONDS):
            if loop_time() > end:
                raise ProviderError(what)
            await asyncio.sleep(_REJOIN_POLL_SECONDS)
        return again

    def _node_answers(self) -> None:
        self._node_away_since = None
        self._refusal.pardon()
        self._provider.pardon()
        self._answered_at = asyncio.get_running_loop().time()  # nobody could be heard
        if self._slot.is_head:
            self._recorder.message("The node answers again.")
        self._recorder.enter(Stage.READY)
