"""Whether a rented provider is still there, by what the node tells of it and by who takes connections there.

yapapi asks for none of these once a service runs (yapapi#870), and a node goes on telling the last state of a provider
that is silent: that its usage grows is a sign of life.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.errors import NodeRefused, NodeUnreachable, ProviderGone
from golem_launcher.market.prices import DURATION
from golem_launcher.session.machines.provider_loss import termination_reason
from golem_launcher.waiting import together

if TYPE_CHECKING:
    from typing import NoReturn

    from golem_launcher.rental.provider_activity import ProviderActivity
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint

VANISHED = "The provider vanished: nothing there answers."
SLEPT_SECONDS = 2.0
"""A round that comes so much later than it was due tells that this computer slept."""
_REASON_SECONDS = 2.0
_REASON_POLL_SECONDS = 0.5
_MOST_BUSYNESS = 4.0
_ROUND_SECONDS = 1.0
"""While a workload starts."""
_REFUSED_SECONDS = 6.0
"""An agent starts its parts again sooner."""
_REPORT_SECONDS = 10.0
"""A provider's own node ends an activity of which it heard no usage for so long."""


class ProviderWatch:
    """Looks after one activity of a provider; made where a loop runs."""

    def __init__(self, session: Prepared, agreement_id: str, activity_id: str) -> None:
        """``activity_id``: empty before there is one."""
        self._session = session
        self._agreement_id = agreement_id
        self.activity_id = activity_id
        self._last_usage: tuple[float, ...] | None = None
        self.reported_at = asyncio.get_running_loop().time()
        """When its usage was last seen to change."""

    def pardon(self) -> None:
        """Count its silence from now on: it was not to be heard, as this computer slept, or the node was away."""
        self.reported_at = asyncio.get_running_loop().time()

    async def check_agreement(self) -> None:
        """Raise ``ProviderGone`` when the provider has ended the agreement."""
        try:
            agreement = await self._session.rest.agreement(self._agreement_id)
        except NodeRefused:
            return
        if agreement.get("state") in {"Terminated", "Expired", "Cancelled"}:
            raise ProviderGone(f"The provider ended the agreement{await self._why()}.")

    async def state(self) -> str | None:
        """The activity's state; ``None`` where it is not known. Raises ``ProviderGone`` when the provider ended it."""
        state: str | None
        _, state = await together(self.check_agreement(), self._activity_state())
        if state == "Terminated":
            raise ProviderGone(f"The provider ended the session{await self._why()}.")
        return state

    async def _activity_state(self) -> str | None:
        try:
            return await self._session.rest.activity_state(self.activity_id)
        except NodeRefused:
            return None

    async def _why(self) -> str:
        """What the provider says to that, as the end of a sentence: it may say it a moment after what it did."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _REASON_SECONDS
        while True:
            try:
                reason = await self._session.rest.termination_reason(self._agreement_id)
            except NodeRefused:
                reason = {}
            if reason or loop_time() >= end:
                return termination_reason(reason)
            await asyncio.sleep(_REASON_POLL_SECONDS)

    async def look_at_usage(self) -> tuple[float, ...] | None:
        """The provider's usage, when it has reported any; that it changed is a sign of life."""
        if not self.activity_id:
            return None
        try:
            usage = await self._session.rest.activity_usage(self.activity_id)
        except NodeRefused:
            return None
        if usage is not None and usage != self._last_usage:
            self._last_usage = usage
            self.pardon()
        return usage

    @property
    def silent_seconds(self) -> float:
        """How long it has reported nothing new."""
        return asyncio.get_running_loop().time() - self.reported_at


class ConnectionRefusal:
    """Watches whether anybody at one machine takes connections; made where a loop runs, once its agent was heard."""

    def __init__(self, endpoint: MachineEndpoint) -> None:
        self._endpoint = endpoint
        self._since: float | None = None

    def pardon(self) -> None:
        """Count from now on: it answered, or was not to be heard."""
        self._since = None

    async def is_final(self) -> bool:
        """Whether nobody has taken any for so long that nobody will. Asked again and again."""
        now = asyncio.get_running_loop().time()
        if not await self._endpoint.refuses():
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since >= _REFUSED_SECONDS


def longest_silence(session: Prepared, *, least: float = 0.0) -> float:
    """How long a provider may be silent until it is given up, in seconds: ``least`` where nothing holds it up."""
    return max(session.network.patience.silent, least) * (_busyness() if session.network.sleeps_along else 1.0)


async def lost_while_starting(session: Prepared, activity: ProviderActivity, runs: asyncio.Event) -> NoReturn:
    """Watch a provider from its agreement until its workload answers, for which the caller waits.

    An activity's own end counts once its agent ``runs``: before that another one may be tried. A node that is away says
    nothing of a provider. Raises ``ProviderGone``.
    """
    loop_time = asyncio.get_running_loop().time
    watch = ProviderWatch(session, activity.agreement_id, "")
    while True:
        due = loop_time() + _ROUND_SECONDS
        await asyncio.sleep(_ROUND_SECONDS)
        if loop_time() - due > SLEPT_SECONDS:
            watch.pardon()
        entry = activity.agreement
        activity_id = (entry and entry.activity_id) or ""
        if activity_id != watch.activity_id:
            watch = ProviderWatch(session, activity.agreement_id, activity_id)
        try:
            if runs.is_set():
                await watch.state()
            else:
                await watch.check_agreement()
            await watch.look_at_usage()
        except NodeUnreachable:
            watch.pardon()
        counts_time = entry is not None and entry.price is not None and DURATION in entry.price.counters
        if activity_id and counts_time and watch.silent_seconds >= longest_silence(session, least=_REPORT_SECONDS):
            raise ProviderGone(VANISHED)


async def nobody_listens(session: Prepared, endpoint: MachineEndpoint) -> None:
    """Wait until nobody at a machine takes connections, so that nothing there will answer. Called once its agent runs.

    Nobody is reached while the node is away.
    """
    refusal = ConnectionRefusal(endpoint)
    while True:
        if await refusal.is_final() and await _node_is_there(session):
            return
        await asyncio.sleep(_ROUND_SECONDS)


async def _node_is_there(session: Prepared) -> bool:
    try:
        await session.rest.networks()
    except NodeUnreachable:
        return False
    return True


def _busyness() -> float:
    """How many times longer a provider on this computer may be silent, as it waits for its turn like everybody here."""
    return min(max(1.0, 2 * clock.busyness()), _MOST_BUSYNESS)
