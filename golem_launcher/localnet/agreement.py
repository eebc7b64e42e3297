"""Runs one agreement of a provider, from its approval to its invoice."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher.errors import NodeError
from golem_launcher.localnet.billing import Bills
from golem_launcher.localnet.exeunit.manifest_script import PermittedScript, script_of
from golem_launcher.localnet.negotiation import EXPIRATION, NOTE_ACCEPT_TIMEOUT, NOTE_INTERVAL, PAYMENT_TIMEOUT
from golem_launcher.localnet.outbound import looks_up_names
from golem_launcher.outbound import PROPERTY as MANIFEST
from golem_launcher.outbound import OutboundRules, granted
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from golem_launcher.localnet.misbehaviour import Misbehaviour
    from golem_launcher.node.rest_client import NodeRest

_log = logging.getLogger(__name__)

_DEATH_LOOK_SECONDS = 0.1


class Unit(Protocol):
    """What runs one activity: the provider's exe-unit."""

    def usage(self) -> Sequence[float]:
        """Usage so far, in the order of the offer's usage vector."""
        ...

    async def aclose(self, *, silent: bool = False) -> None:
        """End the activity and every process of it, without a word when ``silent``; usage stands still then."""
        ...


@dataclass(frozen=True)
class Terms:
    """What an agreement says that its provider must keep to. Times in seconds."""

    agreement_id: str
    requestor_id: str
    expires: float | None
    """Since the epoch."""
    note_interval: float
    note_accept_timeout: float | None
    """``None`` when the requestor need not accept any debit note."""
    payment_timeout: float | None
    """``None`` when nothing is paid before the agreement ends."""
    idle_timeout: float
    coefficients: tuple[float, ...]
    multi_activity: bool
    """Whether the agreement goes on when its first activity ends."""
    task_package: str = ""
    """The image that the requestor wants: ``hash:sha3:HASH:URL``, or empty."""
    outbound: OutboundRules | None = None
    """What the manifest of the demand asks to reach outside; ``None`` without a manifest."""
    script: PermittedScript | None = None
    """The commands that the manifest allows; ``None`` for all."""
    looks_up_names: bool = False
    """Whether the manifest lists addresses, which the exe-unit looks up when it starts."""

    @classmethod
    def of(cls, agreement: dict[str, Any], *, note_interval: float, idle_timeout: float) -> Terms:
        """Read an agreement as yagna gives it; ``KeyError``, ``TypeError`` or ``ValueError`` when it makes no sense."""
        demand, offer = agreement["demand"], agreement["offer"]
        wanted, offered = demand["properties"], offer["properties"]
        expiration = wanted.get(EXPIRATION)
        manifest = wanted.get(MANIFEST)
        image, outbound, script, looks_up = "", None, None, False
        if manifest is not None:
            image, outbound = granted(str(manifest))
            script = script_of(str(manifest))
            looks_up = looks_up_names(str(manifest))
        return cls(
            agreement_id=str(agreement["agreementId"]),
            requestor_id=str(demand["requestorId"]),
            expires=None if expiration is None else float(expiration) / 1000,
            note_interval=max(1.0, float(offered.get(NOTE_INTERVAL, note_interval))),
            note_accept_timeout=_optional(offered.get(NOTE_ACCEPT_TIMEOUT)),
            payment_timeout=_optional(offered.get(PAYMENT_TIMEOUT)),
            multi_activity=wanted.get("golem.srv.caps.multi-activity") is True,
            idle_timeout=idle_timeout,
            coefficients=tuple(map(float, offered["golem.com.pricing.model.linear.coeffs"])),
            task_package=str(wanted.get("golem.srv.comp.task_package", image)),
            outbound=outbound,
            script=script,
            looks_up_names=looks_up,
        )


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class _Event:
    """Something that happened to the agreement: an activity came or went, or the agreement ended."""

    kind: str
    activity_id: str = ""


@dataclass
class Agreement:
    """An approved agreement: runs its activities one after the other, and bills them.

    Everything happens in :meth:`run`, one thing after the other; the other methods only tell it what happened.
    """

    terms: Terms
    rest: NodeRest
    misbehaviour: Misbehaviour
    create: Callable[[str, Terms], Awaitable[Unit]]
    died: Callable[[], None]
    """Called when the provider's misbehaviour makes it vanish."""
    changed: Callable[[], None]
    """Called when an activity came or went."""
    is_paid: bool = False
    """Whether there is a chain on which debit notes are paid; where there is none nobody is blamed for that."""
    bills: Bills = field(init=False)
    _units: dict[str, Unit] = field(default_factory=dict)
    _inbox: asyncio.Queue[_Event] = field(default_factory=asyncio.Queue)
    _approved: float = field(default_factory=time.monotonic)
    _idle_since: float | None = field(default_factory=time.monotonic)
    _next_note: float | None = None
    _dies: float | None = None
    _early_invoice: float | None = None
    """When the misbehaviour wants one."""
    _dead: bool = False

    def __post_init__(self) -> None:
        terms = self.terms
        self.bills = Bills(
            self.rest, terms.agreement_id, terms.coefficients, self.misbehaviour,
            payment_timeout=terms.payment_timeout, is_paid=self.is_paid,
        )  # fmt: skip

    @property
    def _note_interval(self) -> float:
        return self.misbehaviour.notes_every or self.terms.note_interval

    def activity_created(self, activity_id: str) -> None:
        """The requestor wants an activity."""
        self._inbox.put_nowait(_Event("created", activity_id))

    def activity_destroyed(self, activity_id: str) -> None:
        """The requestor, or yagna, ended an activity."""
        self._inbox.put_nowait(_Event("destroyed", activity_id))

    def terminated(self) -> None:
        """The requestor ended the agreement."""
        self._inbox.put_nowait(_Event("terminated"))

    @property
    def activities(self) -> tuple[str, ...]:
        """The ids of the activities that run under this agreement."""
        return tuple(self._units)

    async def run(self) -> None:
        """Serve the agreement until it is over, then end what runs and send the invoice."""
        try:
            code = await self._until_over()
            for activity_id in tuple(self._units):
                await self._destroy(activity_id)
            if code:
                await self._terminate(code)
            await asyncio.sleep(self.misbehaviour.invoice_late)
            await self.bills.invoice()
            if self.misbehaviour.bill_again:
                await self.bills.again()
        finally:
            await self._drop_units()

    async def _until_over(self) -> str:
        """Serve; return the provider's reason to end the agreement, empty when the requestor ended it."""
        while True:
            now = time.monotonic()
            code = await self._due(now)
            if code:
                return code
            try:
                event = await wait_for(self._inbox.get(), max(0.0, self._next_wake() - now))
            except TimeoutError:
                continue
            if event.kind == "terminated":
                return ""
            if event.kind == "created":
                await self._create(event.activity_id)
            elif event.activity_id in self._units:
                await self._destroy(event.activity_id)
                if not self.terms.multi_activity:
                    return "Success"

    async def _due(self, now: float) -> str:
        """Do what its time has come for; the reason to end the agreement when there is one."""
        if self._is_to_die(now):
            self._dead = True
            self.died()
            await asyncio.Event().wait()  # until the provider cancels us
        if self.terms.expires is not None and time.time() >= self.terms.expires:
            return "Expired"
        after = self.misbehaviour.terminate_agreement_after
        if after is not None and now >= self._approved + after:
            return self.misbehaviour.end_code
        if self._idle_since is not None and now >= self._idle_since + self.terms.idle_timeout:
            return "NoActivity"
        code = await self._neglected(now)
        if code:
            return code
        if self._early_invoice is not None and now >= self._early_invoice:
            self._early_invoice = None
            await self.bills.invoice()
        if self._next_note is not None and now >= self._next_note:
            for activity_id, unit in tuple(self._units.items()):
                await self.bills.debit(activity_id, unit.usage())
            self._next_note = now + self._note_interval
        return ""

    def _is_to_die(self, now: float) -> bool:
        """Whether its misbehaviour has the provider vanish now."""
        if self._dies is not None:
            return now >= self._dies
        return bool(self.misbehaviour.die_once and self._units) and Path(self.misbehaviour.die_once).exists()

    async def _neglected(self, now: float) -> str:
        """The reason to end the agreement when its requestor does not do what it promised about debit notes."""
        patience = self.terms.note_accept_timeout
        if patience is not None:
            look = self.bills.next_look(patience)
            if look is not None and now >= look and await self.bills.oldest_unaccepted() >= patience:
                unsent = self.bills.unsent_since
                return "DebitNotesDeadline" if unsent is None or now < unsent + patience else "RequestorUnreachable"
        return "DebitNoteNotPaid" if await self.bills.overdue() else ""

    def _next_wake(self) -> float:
        now = time.monotonic()
        moments = [now + self._note_interval]
        if self.terms.expires is not None:
            moments.append(now + self.terms.expires - time.time())
        if self.misbehaviour.terminate_agreement_after is not None:
            moments.append(self._approved + self.misbehaviour.terminate_agreement_after)
        if self._idle_since is not None:
            moments.append(self._idle_since + self.terms.idle_timeout)
        patience = self.terms.note_accept_timeout
        look = None if patience is None else self.bills.next_look(patience)
        if self.misbehaviour.die_once and self._units:
            moments.append(now + _DEATH_LOOK_SECONDS)
        others = (look, self.bills.next_due, self._next_note, self._dies, self._early_invoice)
        moments.extend(moment for moment in others if moment is not None)
        return min(moments)

    async def _create(self, activity_id: str) -> None:
        if self._units:  # as on Golem: its requestor waits for it in vain
            _log.warning("agreement %s: an activity runs already, no second one is started", self.terms.agreement_id)
            return
        self._units[activity_id] = await self.create(activity_id, self.terms)
        self.changed()
        self._idle_since = None
        now = time.monotonic()
        if self._next_note is None:
            self._next_note = now + self._note_interval
        if self.misbehaviour.invoice_early is not None:
            self._early_invoice = now + self.misbehaviour.invoice_early
        if self.misbehaviour.die_after is not None and self._dies is None:
            self._dies = now + self.misbehaviour.die_after

    async def _destroy(self, activity_id: str) -> None:
        unit = self._units[activity_id]
        await unit.aclose()
        await self.bills.debit(activity_id, unit.usage(), last=True)
        del self._units[activity_id]
        self.changed()
        if not self._units:
            self._idle_since = time.monotonic()
            self._next_note = None

    async def _terminate(self, code: str) -> None:
        reason = {"message": _REASONS[code], "golem.provider.code": code}
        try:
            await self.rest.post(f"/market-api/v1/agreements/{self.terms.agreement_id}/terminate", reason)
        except NodeError as error:
            _log.info("the agreement %s could not be terminated: %s", self.terms.agreement_id, error)

    async def _drop_units(self) -> None:
        for unit in self._units.values():
            await unit.aclose(silent=self._dead)
        self._units.clear()


_REASONS = {
    "Success": "Finished with success.",
    "Expired": "The agreement expired.",
    "NoActivity": "No activity created within the time for it.",
    "DebitNotesDeadline": "Requestor isn't accepting DebitNotes in time.",
    "DebitNoteNotPaid": "Requestor isn't paying DebitNotes in time.",
    "RequestorUnreachable": "Requestor is unreachable for too long.",
    "Shutdown": "Shutting down Provider",
}
"""Why a provider ends an agreement, by the codes that Golem's providers give."""
