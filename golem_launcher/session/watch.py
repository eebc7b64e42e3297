"""Watches a session that is ready: the Lab, the activity, the agreement, the node, the cost, the deadline.

yapapi reports none of these once a service runs (yapapi#870), so each is asked here, every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.errors import NodeRefused, NodeUnreachable, ProviderError
from golem_launcher.events import Stage
from golem_launcher.session.stalled import Stalled
from golem_launcher.session.warnings import Warnings
from golem_launcher.text import clean_line
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.session.lab import LabClient
    from golem_launcher.session.pay.money import Money
    from golem_launcher.session.pay.yagna import YagnaRest
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.term import Term

_LOG = logging.getLogger(__name__)

ROUND_SECONDS = 2.5
_TROUBLED_ROUND_SECONDS = 0.5
_SLEPT_SECONDS = 2.0
_PROBE_SECONDS = 3.0
_PROMPT_SECONDS = 1.0
"""A Lab that takes longer to answer may be gone."""
_LAB_SHOWN_SECONDS = 4.5
"""A Lab that was not heard for so long is shown as one that does not answer."""
_REFUSED_SECONDS = 6.0
"""Where nobody takes connections for so long, nobody will: an agent starts its parts again sooner."""
_LAB_SILENT_SECONDS = 120.0
"""Of a Lab that takes connections, and may be busy."""
_LAB_WARN_SECONDS = 15.0
_NODE_AWAY_SECONDS = 300.0
"""A provider waits about four minutes for its requestor before it gives up."""
_WAITS = (
    f"The session waits {_NODE_AWAY_SECONDS / 60:.0f} minutes for it. One that has another address now is found when "
    "it is ours; else tell it by: golem-launcher node use URL"
)
_REASON_SECONDS = 2.0
_EARLY_INVOICE = (
    "The provider sent its invoice while the session ran. More than that is not paid, so it may stop at any moment."
)
_BUDGET_MARGIN_SECONDS = 30.0
"""Of work at the highest price: for the last save and the end."""

TIME_IS_OVER = "The time that was asked for is over."


@dataclass
class Watch:
    """One ready session under observation."""

    rest: YagnaRest
    lab: LabClient
    money: Money
    term: Term
    recorder: Recorder
    agreement_id: str
    activity_id: str
    network_id: str
    silent_seconds: float
    """A provider whose Lab and whose usage reports are both silent for this long is gone."""
    leave_overbilling: bool
    """Whether a provider whose bill was refused is left."""
    keep_paying: Callable[[], None]
    """Takes up payments again where they ended: yapapi's tasks do at the first connection that breaks."""
    rejoin: Callable[[], Awaitable[str]]
    """Makes the private network again after the node has forgotten it; its new id. Raises ``ProviderError``."""
    refuses: Callable[[], Awaitable[bool]]
    """Whether nobody in the provider takes connections; asked while the Lab does not answer."""
    mind_clock: Callable[[], Awaitable[None]]
    """Tells others anew what they know of moments, when the time of day was set."""
    follow_node: Callable[[str], Awaitable[bool]]
    """Looks for the node at other addresses, and goes there with this private network; whether it was there."""
    _warnings: Warnings = field(init=False)
    _stalled: Stalled = field(init=False)
    _reported_at: float = field(init=False)
    """When the provider's usage was last seen to change."""
    _lab_answered_at: float = field(init=False)
    _refused_since: float | None = None
    _troubled: bool = False
    _node_away_since: float | None = None
    _last_usage: tuple[float, ...] | None = None
    _warned_of_lab: bool = False

    async def until_over(self) -> str:
        """Watch until the session is over by its own terms; the reason.

        Raises ``ProviderError`` when the provider fails and ``NodeError`` when the node stays away.
        """
        self._reported_at = self._lab_answered_at = asyncio.get_running_loop().time()
        self._warnings, self._stalled = Warnings(self.recorder, self.term), Stalled(self.recorder)
        while True:
            left = self.term.left
            if left <= 0:
                return TIME_IS_OVER
            await self._pause(left)
            await self.mind_clock()
            try:
                reason = await self._round()
            except NodeUnreachable as error:
                await self._node_is_away(error)
                continue
            if reason is not None:
                return reason
            self._warnings.look()
            self._stalled.look()

    async def _pause(self, left: float) -> None:
        clock = asyncio.get_running_loop().time
        troubled = self._troubled or self._node_away_since
        seconds = min(_TROUBLED_ROUND_SECONDS if troubled else ROUND_SECONDS, left)
        due = clock() + seconds
        await asyncio.sleep(seconds)
        if clock() - due > _SLEPT_SECONDS:  # this computer slept: who was silent was not to be heard
            self._reported_at = self._lab_answered_at = clock()
            self._refused_since = None

    async def _round(self) -> str | None:
        asking = asyncio.create_task(self.lab.answers(seconds=_PROBE_SECONDS))
        invoiced = self.money.has_invoice(self.agreement_id)  # before it is asked whether the agreement is over
        try:
            state = await self._check_terms()
            lab = await self._lab_answers(asking)
        finally:
            await cancel_all(asking)
        if self._node_away_since is not None or not lab:
            await self._find_network()
        if self._node_away_since is not None:
            self._node_answers()
        self.keep_paying()  # a provider whose debit notes nobody accepts ends the session within minutes
        usage = await self._look_at_usage() if isinstance(state, str) else None
        self._judge_silence(lab=lab)
        if invoiced:
            self.money.disputed(self.agreement_id, _EARLY_INVOICE)
        dispute = self.money.dispute(self.agreement_id) if self.leave_overbilling else None
        if dispute is not None:
            raise ProviderError(dispute)
        return self.money.used(self.agreement_id, usage, reserve_seconds=_BUDGET_MARGIN_SECONDS)

    async def _check_terms(self) -> object:
        """The activity's state, or why it is not known. Raises ``ProviderError`` when the provider has ended it."""
        state, agreement = await asyncio.gather(
            self.rest.activity_state(self.activity_id), self.rest.agreement(self.agreement_id), return_exceptions=True
        )
        for result in (state, agreement):
            if isinstance(result, BaseException) and not isinstance(result, NodeRefused):
                raise result
        if isinstance(agreement, dict) and agreement.get("state") in {"Terminated", "Expired", "Cancelled"}:
            raise ProviderError(f"The provider ended the agreement{await self._why()}.")
        if state == "Terminated":
            raise ProviderError(f"The provider ended the session{await self._why()}.")
        return state

    async def _why(self) -> str:
        """What the provider says to that, as the end of a sentence: it may say it a moment after what it did."""
        clock = asyncio.get_running_loop().time
        end = clock() + _REASON_SECONDS
        while True:
            try:
                reason = await self.rest.termination_reason(self.agreement_id)
            except NodeRefused:
                reason = {}
            if reason or clock() >= end:
                return _said(reason)
            await asyncio.sleep(_TROUBLED_ROUND_SECONDS)

    async def _lab_answers(self, asking: asyncio.Task[bool]) -> bool:
        """Whether the Lab answers; while it hesitates, the provider's usage is looked at closely."""
        await asyncio.wait({asking}, timeout=_PROMPT_SECONDS)
        while not asking.done():
            await self._look_at_usage()
            self._show_trouble()
            if self._vanished():
                return False
            await self._judge_refusal()
            await asyncio.wait({asking}, timeout=_TROUBLED_ROUND_SECONDS)
        if not asking.result():
            await self._judge_refusal()
        return asking.result()

    def _show_trouble(self) -> None:
        silent = asyncio.get_running_loop().time() - self._lab_answered_at
        trouble = "JupyterLab does not answer." if silent >= _LAB_SHOWN_SECONDS else ""
        if trouble != self.recorder.state.trouble:
            self.recorder.update(trouble=trouble)

    async def _judge_refusal(self) -> None:
        """Raise ``ProviderError`` when nobody over there takes connections any more."""
        now = asyncio.get_running_loop().time()
        if not await self.refuses():
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since >= _REFUSED_SECONDS:
            raise ProviderError("JupyterLab is gone: nothing there takes connections any more.")

    def _vanished(self) -> bool:
        """Whether there was no sign of life for too long: yagna goes on telling the last state."""
        last = max(self._reported_at, self._lab_answered_at)
        return asyncio.get_running_loop().time() - last >= self.silent_seconds

    def _judge_silence(self, *, lab: bool) -> None:
        """Raise ``ProviderError`` for a provider that is gone: neither its Lab answers nor does its usage grow."""
        now = asyncio.get_running_loop().time()
        self._lab_answered_at = now if lab else self._lab_answered_at
        self._troubled = not lab
        self._show_trouble()
        if lab and self._warned_of_lab:
            self._warned_of_lab = False
            self.recorder.message("JupyterLab answers again.")
        if lab:
            self._refused_since = None
            return
        lab_silent = now - self._lab_answered_at
        if self._vanished():
            raise ProviderError("The provider vanished: nothing there answers.")
        if lab_silent >= _LAB_SILENT_SECONDS:
            raise ProviderError("JupyterLab stopped answering.")
        if lab_silent >= _LAB_WARN_SECONDS and not self._warned_of_lab:
            self._warned_of_lab = True
            self.recorder.message("JupyterLab does not answer; waiting for it.", "warning")

    async def _look_at_usage(self) -> tuple[float, ...] | None:
        """The provider's usage, when it has reported any; that it changed is a sign of life."""
        usage = await self._usage()
        if usage is not None and usage != self._last_usage:
            self._last_usage = usage
            self._reported_at = asyncio.get_running_loop().time()
        return usage

    async def _usage(self) -> tuple[float, ...] | None:
        try:
            return await self.rest.activity_usage(self.activity_id)
        except NodeRefused:
            return None

    async def _node_is_away(self, error: NodeUnreachable) -> None:
        now = asyncio.get_running_loop().time()
        self._refused_since = None
        if self._node_away_since is None:
            self._node_away_since = now
            self.recorder.message(f"{error.what} The session waits for it.", "error")
            self.recorder.enter(Stage.RECOVERING, f"{error.what} {_WAITS}")
        elif await self.follow_node(self.network_id):
            self.recorder.message("The node answers at another address; the session goes on by it.", "warning")
        elif now - self._node_away_since > _NODE_AWAY_SECONDS:
            raise NodeUnreachable(
                f"The node stayed away for {_NODE_AWAY_SECONDS / 60:.0f} minutes. {error.what}",
                "What was saved is kept: once the node answers, go on with --resume.",
            )

    async def _find_network(self) -> None:
        """Private networks live in the node's memory alone: one that was started anew gets another."""
        known = {str(network.get("id")) for network in await self.rest.networks()}
        if self.network_id in known:
            return
        what = "The node was started anew, and forgot the private network to the provider."
        self.recorder.message(f"{what} It is made again.", "warning")
        self.recorder.enter(Stage.RECOVERING, f"{what} It is made again.")
        self.network_id = await self.rejoin()
        self._node_away_since = self._node_away_since or asyncio.get_running_loop().time()  # it was, for a moment

    def _node_answers(self) -> None:
        self._node_away_since = self._refused_since = None
        self._reported_at = self._lab_answered_at = asyncio.get_running_loop().time()  # nobody could be heard
        self.recorder.message("The node answers again.")
        self.recorder.enter(Stage.READY)


_CODES = {
    "DebitNoteNotPaid": "it says that what was due was not paid in time (see: golem-launcher wallet, doctor)",
    "DebitNotesDeadline": "it says that its bills were not accepted in time",
    "DebitNoteRejected": "it says that one of its bills was rejected",
    "DebitNoteCancelled": "it says that one of its bills was cancelled",
    "RequestorUnreachable": "it says that your node could not be reached",
    "NoActivity": "it says that nothing was asked of it for too long",
    "Expired": "it says that its time was over",
    "Shutdown": "it shuts down",
}
"""What Golem's providers give as reasons, in words for the user."""


def _said(reason: dict[str, object]) -> str:
    words = _CODES.get(str(reason.get("golem.provider.code")))
    if words is not None:
        return f": {words}"
    message = clean_line(str(reason.get("message") or ""), longest=200)
    return f" ({message})" if message else ""
