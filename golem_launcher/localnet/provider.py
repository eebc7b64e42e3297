"""One provider of the local network: the market, agreements, activities and bills of one identity."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, NodeError
from golem_launcher.localnet import clock_jump
from golem_launcher.localnet.agreement import Agreement, Terms, Unit
from golem_launcher.localnet.market import Market
from golem_launcher.localnet.negotiation import Negotiator
from golem_launcher.localnet.offer import offer_constraints, offer_properties
from golem_launcher.localnet.outbound import refusal
from golem_launcher.node.rest_client import NodeRest, timestamp
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.localnet.spec import NetworkSpec, ProviderSpec

    UnitFactory = Callable[[ProviderSpec, str, str, Terms], Awaitable[Unit]]
    """Makes the exe-unit for (provider, its node id, activity id, the agreement's terms)."""

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_MOST_EVENTS = 50
_TIDYING_SECONDS = 2.0
"""How long after an agreement's end Golem's providers still say that they have no capacity."""
# Events of the moment of the start are not to be missed; those of before have no agreement and are ignored.
_OVERLAP = timedelta(seconds=2)


class Provider:
    """A provider, alive from :meth:`run` to its cancellation."""

    def __init__(
        self,
        *,
        spec: ProviderSpec,
        network: NetworkSpec,
        node_id: str,
        rest: NodeRest,
        units: UnitFactory,
        changed: Callable[[], None],
    ) -> None:
        """``changed`` is called whenever :meth:`status` would say something else."""
        self.spec = spec
        self.node_id = node_id
        self._network = network
        self._rest = rest
        self._units = units
        self._changed = changed
        self._agreement: Agreement | None = None
        self._serving: asyncio.Task[None] | None = None
        self._dead = asyncio.Event()
        self.offered = asyncio.Event()
        """Set once the first offer is in the market."""
        self._market = Market(
            rest=rest,
            properties=offer_properties(spec, network, node_id),
            constraints=functools.partial(offer_constraints, network),
            negotiator=Negotiator(network.min_agreement_expiration),
            take=self._take,
            approved=self._approved,
            lost=self._lost,
            subscribed=self.offered.set,
            refuse_terms=spec.misbehaviour.refuse_terms,
            refuses=functools.partial(refusal, network.outbound),
            ignore_agreements=spec.misbehaviour.ignore_agreements,
            approve_late=spec.misbehaviour.approve_late,
            price_factor=spec.misbehaviour.raise_price,
            start_more=spec.misbehaviour.raise_start,
        )

    def status(self) -> dict[str, Any]:
        """What there is to know about the provider, as a JSON value."""
        agreement = self._agreement
        return {
            "name": self.spec.name,
            "node_id": self.node_id,
            "state": "dead" if self._dead.is_set() else "busy" if agreement or self._serving else "free",
            "agreement_id": agreement.terms.agreement_id if agreement else None,
            "activities": list(agreement.activities) if agreement else [],
            "threads": self.spec.threads,
            "memory_gib": self.spec.memory_gib,
            "storage_gib": self.spec.storage_gib,
            "price_hour": str(self.spec.price_hour),
            "price_cpu_hour": str(self.spec.price_cpu_hour),
            "price_start": str(self.spec.price_start),
            "pretends_gpu": self.spec.gpu is not None,
        }

    async def run(self) -> None:
        """Serve until cancelled, or until the provider's misbehaviour makes it vanish (then wait)."""
        tasks = [
            asyncio.create_task(self._market.run()),
            asyncio.create_task(self._follow("/market-api/v1/agreementEvents", self._agreement_event)),
            asyncio.create_task(self._follow("/activity-api/v1/events", self._activity_event)),
            asyncio.create_task(self._dead.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self._serving:
                tasks.append(self._serving)
        finally:
            if self._serving and self._serving not in tasks:
                tasks.append(self._serving)
            await cancel_all(*tasks)
            self._agreement = self._serving = None
        self._changed()

    async def _follow(self, path: str, react: Callable[[dict[str, Any]], None]) -> None:
        """Read a stream of events by long polls, for ever. It is asked for by the time of day."""
        await clock_jump.anew_when_set(lambda: self._follow_from_now(path, react))

    async def _follow_from_now(self, path: str, react: Callable[[dict[str, Any]], None]) -> None:
        after = timestamp(datetime.now(UTC) - _OVERLAP)
        before_set_back: list[dict[str, Any]] = []
        while True:
            try:
                events = await self._rest.events(path, afterTimestamp=after, maxEvents=_MOST_EVENTS)
            except NodeError as error:
                _log.info("%s: no events: %s", self.spec.name, error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for event in events:
                if event not in before_set_back:
                    react(event)
            # Where the time of day was set back, older events are dated later than all that will come for a while, and
            # stand in each answer. To go on behind them would be to hear of nothing new.
            now = datetime.now(UTC)
            come = [event for event in events if datetime.fromisoformat(event["eventDate"]) <= now]
            before_set_back = [event for event in events if event not in come]
            if come:
                after = str(come[-1]["eventDate"])
            elif events:
                await asyncio.sleep(_RETRY_SECONDS)

    def _agreement_event(self, event: dict[str, Any]) -> None:
        kind = event.get("eventType") or event.get("eventtype")
        mine = self._agreement and event.get("agreementId") == self._agreement.terms.agreement_id
        if self._agreement and mine and kind == "AgreementTerminatedEvent":
            self._agreement.terminated()

    def _activity_event(self, event: dict[str, Any]) -> None:
        if not self._agreement or event.get("agreementId") != self._agreement.terms.agreement_id:
            return
        kind = event.get("eventType") or {}
        if "CreateActivity" in kind:
            self._agreement.activity_created(str(event["activityId"]))
        elif "DestroyActivity" in kind:
            self._agreement.activity_destroyed(str(event["activityId"]))

    def _take(self, agreement: dict[str, Any]) -> str:
        if self.spec.misbehaviour.refuse_agreements:
            return "This provider refuses every agreement."
        if self._agreement:
            return "The provider is busy."
        try:
            terms = Terms.of(
                agreement,
                note_interval=self._network.debit_note_interval,
                idle_timeout=self._network.idle_agreement_timeout,
            )
        except (KeyError, TypeError, ValueError) as error:
            return f"The agreement makes no sense: {error!r}."
        if terms.expires is not None and terms.expires <= time.time():
            return "The agreement's time is over."
        self._agreement = Agreement(
            terms=terms,
            rest=self._rest,
            misbehaviour=self.spec.misbehaviour,
            create=functools.partial(self._units, self.spec, self.node_id),
            died=self._dead.set,
            changed=self._changed,
            is_paid=bool(self._network.chain),
        )
        self._market.set_free(False)
        return ""

    def _lost(self, agreement_id: str) -> None:
        _log.info("%s: the agreement %s was not confirmed in time", self.spec.name, agreement_id)
        self._agreement = None
        self._market.set_free(True)

    async def _approved(self, agreement_id: str) -> None:
        if self._agreement is not None:
            _log.info("%s: agreement %s", self.spec.name, agreement_id)
            self._serving = asyncio.create_task(self._serve(self._agreement))
            self._changed()

    async def _serve(self, agreement: Agreement) -> None:
        try:
            await agreement.run()
        except LauncherError as error:
            _log.warning("%s: agreement %s failed: %s", self.spec.name, agreement.terms.agreement_id, error)
        finally:
            _log.info(
                "%s: agreement %s is over: %s GLM", self.spec.name, agreement.terms.agreement_id, agreement.bills.total
            )
            if self._agreement is agreement and not self._dead.is_set():
                self._agreement = None
            self._changed()
        if self._agreement is None:
            await asyncio.sleep(_TIDYING_SECONDS)
            self._serving = None
            self._market.set_free(True)
            self._changed()
