"""One rental through yapapi: from a demand on the market to commands run in an activity, and its bills.

yapapi's ``run_service`` wraps what is used here (an engine, a job, a worker, a batch generator; yapapi's own
``Executor`` is built on the same) in a loop that sleeps a second before each look at the market, restarts a service
without a limit, and learns of a dead provider never (yapapi#870). So the engine's parts are used directly, unmodified.
Three things follow from that:

* the event consumer is called synchronously, so ids are on disk before yapapi's next step;
* the allocation is ours: with a time-out by which it is found again, instead of ten years (yapapi#923);
* yapapi ends nothing on its own account: :mod:`golem_launcher.session.closing` does, from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ya_market import ApiException
from yapapi import events
from yapapi.config import ApiConfig
from yapapi.engine import Job, _Engine
from yapapi.network import Network
from yapapi.rest.payment import Allocation

from golem_launcher.errors import LauncherError, MarketError, ProviderError
from golem_launcher.session.journal import AgreementEntry, Journal
from golem_launcher.session.payload import session_payload
from golem_launcher.session.prices import Price
from golem_launcher.session.service import failure_text, run_package
from golem_launcher.session.strategy import INVOICE, LaunchStrategy
from golem_launcher.text import clean_name
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.networks import Network as GolemNetwork
    from golem_launcher.node.node import Node
    from golem_launcher.outbound import Access
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.choice import Choice
    from golem_launcher.session.package import Package, Rented

_LOG = logging.getLogger(__name__)

_START_POLL_SECONDS = 0.005
_REST_SECONDS = 15.0
_WORKER_END_SECONDS = 15.0
_ENGINE_STOP_SECONDS = 15.0


class Engine:
    """yapapi's engine for one session. Not reusable."""

    def __init__(
        self,
        *,
        node: Node,
        network: GolemNetwork,
        subnet: str,
        request: LaunchRequest,
        choice: Choice,
        journal: Journal,
        warn: Callable[[str], None],
        billed: Callable[[Decimal], None],
    ) -> None:
        self._node = node
        self._golem_network = network
        self._request = request
        self._choice = choice
        self._journal = journal
        self._billed = billed
        self._warn = warn
        self._refused_bills: set[str] = set()
        self._news = asyncio.Event()
        self._invoice = asyncio.Event()
        self._engine = _Engine(
            budget=request.budget,
            strategy=LaunchStrategy(choice, journal, self._on_refused_bill),
            event_consumer=self._on_event,
            subnet_tag=subnet,
            payment_driver="erc20",
            payment_network=network.payment_network,
            payment_token=network.token,
            api_config=ApiConfig(app_key=node.app_key, api_url=node.api_url),
        )
        self._starting: asyncio.Task[None] | None = None
        self._job: Job | None = None
        self._market: asyncio.Task[None] | None = None
        self._vpn: Any = None
        self._worker: asyncio.Task[None] | None = None
        self._deployed: asyncio.Future[Rented] | None = None
        self._leave = asyncio.Event()
        self._on_agreement: Callable[[AgreementEntry], None] = lambda _entry: None

    async def start(self, identity: str, allocation_id: str, expires: datetime) -> None:
        """Begin with an allocation made before. Bounded by yapapi's own REST time-outs."""
        self._engine._budget_allocations.append(
            Allocation(
                _api=None,
                id=allocation_id,
                amount=self._request.budget,
                payment_platform=self._golem_network.platform,
                payment_address=identity,
                expires=expires,
            )
        )
        self._starting = asyncio.create_task(self._engine.start())
        # Its last step starts `gftp`, a third of a second that the market need not wait for: `agree` does.
        while not self._starting.done() and not hasattr(self._engine, "payment_decorator"):  # noqa: ASYNC110
            await asyncio.sleep(_START_POLL_SECONDS)
        if self._starting.done():
            self._starting.result()
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24"
        self._journal.update(network_address=address)
        self._vpn = await asyncio.wait_for(
            Network.create(self._engine._net_api, address, identity),
            _REST_SECONDS,
        )
        self._journal.update(network_id=str(self._vpn.network_id))

    async def demand(self, image: str, registry_url: str, asked: Access, expiration: datetime) -> None:
        """Publish the demand for ``image`` (a tag or a hash) with a way to what is ``asked``; offers come in now."""
        payload = await wait_for(session_payload(self._request, image, registry_url, asked, expiration), _REST_SECONDS)
        self._journal.update(demanded=True)
        self._job = Job(self._engine, expiration, payload)
        self._engine.add_job(self._job)
        self._market = asyncio.create_task(self._job.find_offers())

    async def agree(
        self,
        *,
        search_seconds: float,
        refused_seconds: float,
        compare_seconds: float,
        on_agreement: Callable[[AgreementEntry], None],
    ) -> None:
        """Find a provider and sign with it; its activity is made and its worker begins.

        The best offer is taken ``compare_seconds`` after the first one that will do. ``on_agreement`` is
        called with each agreement that is confirmed. Raises ``MarketError`` when nobody was found within
        ``search_seconds``, or ``refused_seconds`` after all offers seen were refused; :meth:`Choice.failure` knows why.
        """
        assert self._job is not None
        assert self._starting is not None
        self._on_agreement = on_agreement
        clock = asyncio.get_running_loop().time
        end = clock() + search_seconds
        compared = False
        while True:
            self._news.clear()
            if self._job.agreements_pool._offer_buffer:
                if not compared:
                    await asyncio.sleep(compare_seconds)
                    compared = True
                await self._starting
                if await self._sign():
                    return
            if self._market is not None and self._market.done():
                self._market.result()
                raise MarketError("The demand left the market.", "Try again.")
            left = end - clock()
            patience = min(left, refused_seconds) if self._choice.all_refused else left
            try:
                await asyncio.wait_for(self._news.wait(), max(patience, 0.0))
            except asyncio.TimeoutError:
                raise MarketError("Nobody agreed in time.") from None

    async def _sign(self) -> bool:
        """Sign with the best of the offers at hand; whether it signed too."""
        self._deployed = asyncio.get_running_loop().create_future()
        try:
            self._worker = await self._engine.start_worker(self._job, self._work)
        except (ApiException, asyncio.TimeoutError, OSError) as error:
            _LOG.warning("an agreement could not be made: %s", failure_text(error))
        return self._worker is not None

    def prepare(self, package: Callable[[], Package], *, deploy_seconds: float) -> None:
        """Say what the workers of this engine put into their activities. Call it before :meth:`agree`."""
        self._package = package
        self._deploy_seconds = deploy_seconds

    async def deployed(self) -> Rented:
        """Wait until the package runs. Raises ``ProviderError`` when the provider failed at it."""
        assert self._worker is not None
        assert self._deployed is not None
        either: list[asyncio.Future[Any]] = [self._worker, self._deployed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._deployed.done():
            raise ProviderError("The provider could not create the activity.")
        return self._deployed.result()

    def leave_market(self) -> None:
        """Stop looking for offers: one provider is enough."""
        if self._market is not None:
            self._market.cancel()

    async def give_up(self, reason: str) -> None:
        """Let go of the present provider and never take it again."""
        entry = self._journal.entries.agreements[-1] if self._journal.entries.agreements else None
        if entry is not None:
            self._choice.exclude(entry.provider_id, entry.provider_name, reason)
        await self.release()
        self._leave.clear()

    async def release(self) -> None:
        """End the activity and the agreement in good order, bounded in time."""
        self._invoice.clear()
        self._leave.set()
        if self._worker is not None:
            _, late = await asyncio.wait({self._worker}, timeout=_WORKER_END_SECONDS)
            for task in late:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._worker
            self._worker = None
        if self._job is not None:
            reason = {"message": "The session ended", "golem.requestor.code": "Success"}
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._job.agreements_pool.terminate_all(reason), _REST_SECONDS)

    async def invoice_came(self, seconds: float) -> bool:
        """Wait until the invoice of the released agreement is accepted or refused; whether it came."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._invoice.wait(), seconds)
        return self._invoice.is_set()

    def revive(self) -> None:
        """Take up payments again after the node was away: yapapi's tasks end at the first connection error."""
        services = self._engine._services
        if any(task.done() for task in services):
            for task in services:
                task.cancel()
            services.clear()
            self._engine._process_invoices_job = asyncio.create_task(self._engine._process_invoices())
            notes = asyncio.create_task(self._engine._process_debit_notes())
            services.update({self._engine._process_invoices_job, notes})

    async def stop(self) -> None:
        """End yapapi's engine: its tasks, its ``gftp``. Safe to call at any moment; never raises."""
        self.leave_market()
        if self._worker is not None:
            self._worker.cancel()
        if self._starting is not None:
            self._starting.cancel()
        mine = (self._starting, self._market, self._worker)
        tasks = [task for task in (*mine, *self._engine._services) if task is not None]
        for task in self._engine._services:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._job is not None:
            self._engine.finalize_job(self._job)
        try:
            await asyncio.wait_for(self._engine.stop(None, None, None, wait_for_payments=False), _ENGINE_STOP_SECONDS)
        except Exception:  # noqa: BLE001 - it is the end: what it holds is closed from the journal
            _LOG.exception("yapapi did not stop in good order")

    # ── what yapapi calls ──

    async def _work(self, context: Any) -> bool:
        assert self._job is not None
        agreement_id = context._agreement.id
        node = await asyncio.wait_for(self._vpn.add_node(context.provider_id), _REST_SECONDS)
        assert self._deployed is not None
        batches = run_package(
            context,
            node,
            self._package(),
            deployed=self._deployed,
            leave=self._leave,
            deploy_seconds=self._deploy_seconds,
        )
        with contextlib.suppress(StopAsyncIteration):
            await self._engine.process_batches(self._job.id, agreement_id, context._activity, batches)
        await self._engine.accept_payments_for_agreement(self._job.id, agreement_id)
        return False

    def _on_event(self, event: Any) -> None:
        """Called by yapapi before its next step: ids go to disk here."""
        _LOG.debug("%s", event)
        if isinstance(event, events.AgreementCreated):
            self._write_agreement(event.agreement)
        elif isinstance(event, events.AgreementConfirmed):
            entry = self._journal.agreement(event.agreement.id)
            if entry is not None:
                self._on_agreement(entry)
        elif isinstance(event, events.AgreementRejected):
            self._rejected(event.agreement.id)
        elif isinstance(event, events.WorkerStarted):
            self._journal.update_agreement(event.agreement.id, started_at=datetime.now(timezone.utc))
        elif isinstance(event, events.ActivityCreated):
            self._journal.update_agreement(event.agreement.id, activity_id=event.activity.id)
        elif isinstance(event, events.DebitNoteAccepted | events.InvoiceAccepted):
            self._billed(Decimal(str(event.amount)))
        elif isinstance(event, events.ProposalConfirmed | events.ProposalRejected):
            self._news.set()
        if isinstance(event, events.InvoiceAccepted | events.PaymentFailed):
            self._invoice.set()

    def _write_agreement(self, agreement: Any) -> None:
        details = agreement.details
        properties = details.provider_view.properties
        try:
            price: Price | None = Price.of_offer(properties)
        except LauncherError:
            price = None  # its bills are then never accepted
        self._journal.add_agreement(
            AgreementEntry(
                agreement_id=agreement.id,
                provider_id=details.raw_details.offer.provider_id,
                provider_name=clean_name(str(properties.get("golem.node.id.name", ""))),
                price=price,
            )
        )

    def _on_refused_bill(self, what: str, reason: str) -> None:
        if what not in self._refused_bills:  # once is enough: the next notes are no better
            self._refused_bills.add(what)
            self._warn(reason)
        if what == INVOICE:
            self._invoice.set()

    def _rejected(self, agreement_id: str) -> None:
        self._news.set()
        entry = self._journal.agreement(agreement_id)
        if entry is not None:
            self._choice.exclude(entry.provider_id, entry.provider_name, "it did not sign the agreement")
