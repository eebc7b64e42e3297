"""Watches a session that is ready: the Lab, the activity, the agreement, the node, the cost, the deadline.

yapapi reports none of these once a service runs (yapapi#870), so each is asked here, every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from golem_launcher.errors import NodeError, NodeRefused, NodeUnreachable, ProviderError
from golem_launcher.events import Stage
from golem_launcher.session.prices import glm
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from golem_launcher.session.journal import Journal
    from golem_launcher.session.lab import LabClient
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.yagna import YagnaRest

_LOG = logging.getLogger(__name__)

ROUND_SECONDS = 4.0
_TROUBLED_ROUND_SECONDS = 1.0
_COST_SECONDS = 10.0
_PROBE_SECONDS = 3.0
_PROVIDER_SILENT_SECONDS = 7.0
"""With a round before and one after, a dead provider is known within 20 s. One that lives reports every 5 s."""
_LAB_SILENT_SECONDS = 120.0
_LAB_WARN_SECONDS = 15.0
_NODE_AWAY_SECONDS = 300.0
"""A provider waits about four minutes for its requestor before it gives up."""
_BUDGET_MARGIN_SECONDS = 3 * ROUND_SECONDS

TIME_IS_OVER = "The time that was asked for is over."


@dataclass
class Watch:
    """One ready session under observation."""

    rest: YagnaRest
    lab: LabClient
    journal: Journal
    recorder: Recorder
    agreement_id: str
    activity_id: str
    network_id: str
    deadline: datetime
    budget: Decimal
    billed: Callable[[], Decimal]
    node_is_back: Callable[[], None]
    node_moved: Callable[[], Awaitable[bool]]
    """Whether the node answers somewhere else now: it was started anew."""
    _provider_silent_since: float | None = None
    _lab_silent_since: float | None = None
    _node_away_since: float | None = None
    _last_usage: tuple[float, ...] | None = None
    _warned_of_lab: bool = False
    _cost_told_at: float = 0.0

    async def until_over(self) -> str:
        """Watch until the session is over by its own terms; the reason.

        Raises ``ProviderError`` when the provider fails and ``NodeError`` when the node stays away.
        """
        while True:
            left = (self.deadline - datetime.now(timezone.utc)).total_seconds()
            if left <= 0:
                return TIME_IS_OVER
            troubled = self._lab_silent_since or self._node_away_since
            await asyncio.sleep(min(_TROUBLED_ROUND_SECONDS if troubled else ROUND_SECONDS, left))
            try:
                reason = await self._round()
            except NodeUnreachable as error:
                await self._node_is_away(error)
                continue
            if reason is not None:
                return reason

    async def _round(self) -> str | None:
        begun = asyncio.get_running_loop().time()
        lab_answers, state, agreement = await asyncio.gather(
            self.lab.answers(seconds=_PROBE_SECONDS),
            self.rest.activity_state(self.activity_id),
            self.rest.agreement(self.agreement_id),
            return_exceptions=True,
        )
        for result in (state, agreement):
            if isinstance(result, NodeUnreachable):
                raise result
            if isinstance(result, BaseException) and not isinstance(result, NodeRefused):
                raise result
        if self._node_away_since is not None or lab_answers is not True:
            await self._find_network()
        if self._node_away_since is not None:
            self._node_answers()
        if state == "Terminated":
            raise ProviderError("The provider ended the session.", "Start it again: another provider may be better.")
        if isinstance(agreement, dict) and agreement.get("state") in {"Terminated", "Expired", "Cancelled"}:
            raise ProviderError(f"The provider ended the agreement{_why(agreement)}.", "Start the session again.")
        usage = await self._usage() if isinstance(state, str) else None
        self._judge_silence(begun, reports=usage is not None and usage != self._last_usage, lab=lab_answers is True)
        self._last_usage = usage
        return self._judge_cost(usage) if usage is not None else None

    def _judge_silence(self, begun: float, *, reports: bool, lab: bool) -> None:
        """A provider is gone when neither its Lab answers nor its usage grows: yagna goes on telling its last state."""
        now = asyncio.get_running_loop().time()
        self._provider_silent_since = None if reports else self._provider_silent_since or begun
        self._lab_silent_since = None if lab else self._lab_silent_since or begun
        if lab and self._warned_of_lab:
            self._warned_of_lab = False
            self.recorder.message("JupyterLab answers again.")
        if self._lab_silent_since is None:
            return
        lab_silent = now - self._lab_silent_since
        if self._provider_silent_since is not None:
            if min(lab_silent, now - self._provider_silent_since) >= _PROVIDER_SILENT_SECONDS:
                raise ProviderError("The provider vanished: nothing there answers.", "Start the session again.")
        elif lab_silent >= _LAB_SILENT_SECONDS:
            raise ProviderError("JupyterLab stopped answering.", "See its log, then start the session again.")
        if lab_silent >= _LAB_WARN_SECONDS and not self._warned_of_lab:
            self._warned_of_lab = True
            self.recorder.message("JupyterLab does not answer; waiting for it.", "warning")

    async def _usage(self) -> tuple[float, ...] | None:
        try:
            return await self.rest.activity_usage(self.activity_id)
        except NodeRefused:
            return None

    def _judge_cost(self, usage: tuple[float, ...]) -> str | None:
        entry = self.journal.agreement(self.agreement_id)
        if entry is None or entry.price is None or entry.started_at is None:
            return None
        self.journal.remember_usage(self.agreement_id, usage)
        seconds = (datetime.now(timezone.utc) - entry.started_at).total_seconds()
        cost = entry.price.cost(usage, seconds)
        now = asyncio.get_running_loop().time()
        if now - self._cost_told_at >= _COST_SECONDS:
            self._cost_told_at = now
            self.recorder.cost(cost, self.billed())
        soon = entry.price.at_most(_BUDGET_MARGIN_SECONDS) - entry.price.start
        if cost + soon >= self.budget:
            self.recorder.cost(cost, self.billed())
            return f"The budget of {glm(self.budget)} is used up."
        return None

    async def _node_is_away(self, error: NodeUnreachable) -> None:
        now = asyncio.get_running_loop().time()
        if self._node_away_since is None:
            self._node_away_since = now
            self.recorder.message(f"{error.what} The session waits for it.", "error")
            self.recorder.enter(Stage.RECOVERING, f"{error.what} The session waits for the node to come back.")
        elif await self.node_moved():
            raise _restarted()
        elif now - self._node_away_since > _NODE_AWAY_SECONDS:
            raise error

    async def _find_network(self) -> None:
        """Private networks live in the node's memory alone."""
        known = {str(network.get("id")) for network in await self.rest.networks()}
        if self.network_id not in known:
            raise _restarted()

    def _node_answers(self) -> None:
        self._node_away_since = None
        self.node_is_back()
        self.recorder.message("The node answers again.")
        self.recorder.enter(Stage.READY)


def _restarted() -> NodeError:
    return NodeError(
        "The node was started anew, and the private network to the provider went with the old one.",
        "Start the session again.",
    )


def _why(agreement: dict[str, object]) -> str:
    reason = agreement.get("terminationReason") or agreement.get("reason")
    return f" ({clean_line(str(reason), longest=200)})" if reason else ""
