"""One demand on the market, the provider taken from its offers, and what runs there, through yapapi's parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any

import aiohttp
from ya_market import ApiException
from ya_net.exceptions import ApiException as NetApiException
from yapapi.script.capture import CaptureContext

from golem_launcher import clock
from golem_launcher.errors import MarketError, NodeError, ProviderError
from golem_launcher.rental.deploying import Deploying
from golem_launcher.rental.errands import Carry, Errands
from golem_launcher.rental.service import WORDS_SECONDS, failure_text, run_package
from golem_launcher.rental.signing import Signing
from golem_launcher.rental.yapapi_engine import YapapiActivity, YapapiJob, agreement_of
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.rental.listener import Listener
    from golem_launcher.rental.package import Package, Rented
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.yapapi_engine import YapapiEngine

_LOG = logging.getLogger(__name__)

_REST_SECONDS = 15.0
_LEAVE_SECONDS = 3.0
_WORKER_END_SECONDS = 15.0
_MOST_FALLS = 6
_FALL_SECONDS = 3.0
"""How much longer each time, after the first, before the demand is published again: 45 s in all."""
_MARKET_FAILURES = (ApiException, OSError, aiohttp.ClientError, asyncio.TimeoutError)
_ANEW_SECONDS = 3.0
"""How long to wait before the demand is published anew, when nobody at hand signed."""


class Hiring:
    """Finds one provider and keeps it. Made by :class:`golem_launcher.rental.engine.Engine`; not reusable."""

    def __init__(
        self,
        engine: YapapiEngine,
        *,
        vpn: asyncio.Task[Any],
        started: asyncio.Task[None],
        listener: Listener,
        choice: Choice,
        journal: Journal,
        package: Callable[[], Package],
        image: SessionImage,
        deploy_seconds: float,
        still_seconds: float,
        told: Callable[[str, int, int, str], None],
    ) -> None:
        """Times in seconds: ``deploy_seconds`` at most until the package runs, ``still_seconds`` without any progress.

        ``told`` is told how far the image is.
        """
        self._engine = engine
        self._vpn = vpn
        self._started = started
        self._listener = listener
        self._choice = choice
        self._journal = journal
        self._package = package
        self._image = image
        self._deploy_seconds = deploy_seconds
        self._still_seconds = still_seconds
        self._told = told
        self._job: YapapiJob | None = None
        self._signing: Signing | None = None
        self._market: asyncio.Task[None] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._deployed: asyncio.Future[Rented] | None = None
        self._errands = Errands()
        self._began = 0.0
        """When the present provider signed."""
        self._fell = 0
        """How often the search for offers broke off."""
        self._agreement_id = ""
        """The one that is worked under."""
        self._last_words: tuple[str, ...] = ()
        """The command that tells what the agent said last."""

    def demand(self, payload: Any, expiration: datetime) -> None:
        """Publish the demand for agreements until ``expiration``; offers come in from now on."""
        self._journal.update(demanded=True)
        self._job = YapapiJob(self._engine, expiration, payload)
        self._signing = Signing(self._job, self._choice.standing.pauses, self._choice.refuses_to_sign)
        self._engine.add_job(self._job)
        self._find_offers(self._job)

    def _find_offers(self, job: YapapiJob, *, after: float = 0.0) -> None:
        async def find() -> None:
            await asyncio.sleep(after)  # a node that is being started anew takes a few seconds
            await job.find_offers()

        self._market = asyncio.create_task(find())
        self._market.add_done_callback(lambda _: self._listener.news.set())

    def _look_on(self, ended: asyncio.Task[None]) -> None:
        """Publish the demand again: a busy node loses count of its events now and then, at which yapapi gives up."""
        assert self._job is not None
        self._fell += 1
        error = ended.exception()
        if not isinstance(error, _MARKET_FAILURES):
            ended.result()
            raise MarketError("The demand left the market.", "Try again.")
        if self._fell > _MOST_FALLS:
            what = f"The node does not look for providers any more: {failure_text(error)}."
            raise NodeError(what, "See: golem-launcher doctor")
        _LOG.warning("the demand is published again: %s", failure_text(error))
        self._job.forget_offers()
        self._find_offers(self._job, after=_FALL_SECONDS * (self._fell - 1))

    async def agree(
        self,
        *,
        search_seconds: float,
        refused_seconds: float,
        compare_seconds: tuple[float, float],
        head_start_seconds: float,
    ) -> None:
        """Find a provider and sign with it; its activity is made and its worker begins.

        Offers are compared until all whose offers we answered have come to terms, at least and at most
        ``compare_seconds`` from the first one that will do. Then the best has ``head_start_seconds`` to sign before
        the next best is asked too. An offer is good for one agreement: when those at hand are used up, or somebody's
        pause is over, the demand is published anew. Raises ``MarketError`` when nobody was found within
        ``search_seconds``, or ``refused_seconds`` after all offers seen were refused; :meth:`Choice.failure` knows why.
        """
        assert self._job is not None
        assert self._signing is not None
        news = self._listener.news
        time = asyncio.get_running_loop().time
        end = time() + search_seconds
        compared = False
        used_up = math.inf
        while True:
            news.clear()
            if self._signing.may_begin:
                if not compared:
                    await self._compare(*compare_seconds)
                    compared = True
                await asyncio.shield(self._vpn)
                if await self._signing.sign(head_start_seconds):
                    await asyncio.shield(self._started)
                    self._began = time()
                    await self._start_work()
                    return
                used_up = time()
            if self._market is not None and self._market.done():
                self._look_on(self._market)
            left = end - time()
            patience = min(left, refused_seconds) if self._choice.hopeless else left
            returns = min(self._choice.standing.returning().values(), default=math.inf)
            anew = min(returns, used_up + _ANEW_SECONDS - time())
            try:
                await wait_for(news.wait(), max(min(patience, anew), 0.0))
            except TimeoutError:
                if patience <= anew:
                    raise MarketError("Nobody agreed in time.") from None
                used_up = math.inf
                if not self._signing.may_begin:
                    await self._ask_anew()

    async def deployed(self) -> Rented:
        """Wait until the package runs. Raises ``ProviderError`` when the provider failed at it."""
        assert self._worker is not None
        assert self._deployed is not None
        either: list[asyncio.Future[Any]] = [self._worker, self._deployed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._deployed.done():
            raise ProviderError("The provider could not create the activity.")
        return self._deployed.result()

    async def start_again(self) -> bool:
        """Try another activity under the same agreement, after one at which the package did not start; whether it is.

        Not where the first took long: then another provider is likely to be ready sooner.
        """
        assert self._job is not None
        if asyncio.get_running_loop().time() - self._began > self._deploy_seconds / 2:
            return False
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=_WORKER_END_SECONDS)
        if not self._job.has_free_agreement:
            return False  # it has ended, or its first activity has not
        await self._start_work()
        return True

    def carry(self) -> Carry:
        """Takes whole files to and from the present activity."""
        return Carry(self._errands)

    def leave_market(self) -> None:
        """Stop looking for offers: one provider is enough."""
        if self._market is not None:
            self._market.cancel()

    async def last_words(self) -> str:
        """What the agent over there said last, uncleaned; empty when nobody answers."""
        if self._worker is None or self._worker.done():
            return ""

        def ask(script: Any) -> None:
            script.run(*self._last_words, stdout=CaptureContext.build(mode="all"))

        try:
            done = await wait_for(self._errands.run(ask, seconds=WORDS_SECONDS), WORDS_SECONDS)
        except (TimeoutError, ProviderError):
            return ""
        return "".join(getattr(event, "stdout", None) or "" for event in done)

    async def give_up(self, reason: str) -> None:
        """Let go of the present provider and leave it alone for a while; another can be agreed with."""
        entry = self._journal.entries.agreements[-1] if self._journal.entries.agreements else None
        if entry is not None:
            self._choice.failed(entry.provider_id, entry.provider_name, reason)
        await self.release()

    async def release(self) -> None:
        """End the activity and the agreement in good order, bounded in time."""
        self._listener.invoiced.clear()
        self._errands.leave()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=_WORKER_END_SECONDS)
            await self._end_worker()
        if self._job is not None:
            reason = {"message": "The session ended", "golem.requestor.code": "Success"}
            with contextlib.suppress(asyncio.TimeoutError):
                await wait_for(self._job.agreements_pool.terminate_all(reason), _REST_SECONDS)
            if self._agreement_id:
                self._journal.update_agreement(self._agreement_id, ended_at=clock.now())

    async def aclose(self) -> None:
        """End all tasks here without asking the provider: it is gone, or let go of. Safe to call at any moment."""
        self.leave_market()
        await self._end_worker()
        if self._market is not None:
            await asyncio.gather(self._market, return_exceptions=True)
        if self._signing is not None:
            await self._signing.aclose()
        if self._job is not None and not self._job.finished.is_set():
            self._engine.finalize_job(self._job)

    async def _ask_anew(self) -> None:
        """Take the demand off the market; yapapi then publishes it again, and offers come as to a new one."""
        assert self._job is not None
        self._job.forget_offers()
        with contextlib.suppress(*_MARKET_FAILURES):
            demand = self._listener.subscription.id
            await wait_for(self._engine.unsubscribe(demand), _REST_SECONDS)

    async def _compare(self, least: float, most: float) -> None:
        """Wait for more offers, while there are providers that may still come to terms."""
        time = asyncio.get_running_loop().time
        end = time() + most
        await asyncio.sleep(least)
        while self._listener.negotiating and time() < end:
            self._listener.news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await wait_for(self._listener.news.wait(), end - time())

    async def _start_work(self) -> None:
        """Begin to work with who signed last."""
        self._deployed = asyncio.get_running_loop().create_future()
        self._errands = Errands()
        self._worker = await self._engine.start_worker(self._job, self._try)

    async def _end_worker(self) -> None:
        if self._worker is not None:
            await cancel_all(self._worker)
            self._worker = None
        self._errands.drop()

    async def _try(self, context: Any) -> bool:
        """Work in an activity; at one where the package did not start, the agreement goes on, for another one."""
        try:
            return await self._work(context)
        except Exception:
            if self._deployed is None or not self._deployed.done() or self._deployed.exception() is None:
                raise
            return False

    async def _process(self, agreement_id: str, activity: Any, batches: Any) -> None:
        """Send the batches, until all are done, or it is known that the package won't start: a deploy stands still."""
        assert self._job is not None
        assert self._deployed is not None
        work = asyncio.create_task(self._engine.process_batches(self._job.id, agreement_id, activity, batches))
        try:
            await asyncio.wait({work, self._deployed}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._deployed.result()
            await work
        finally:
            await cancel_all(work)
            await batches.aclose()

    async def _work(self, context: Any) -> bool:
        """What yapapi's worker does once there is an activity."""
        assert self._job is not None
        assert self._deployed is not None
        self._agreement_id = agreement_id = agreement_of(context).id
        package = self._package()
        self._last_words = package.shipment.last_words
        network = self._vpn.result()
        node = await wait_for(network.add_node(context.provider_id), _REST_SECONDS)
        self._engine.forget_age(context.id)
        batches = run_package(
            context,
            node,
            package,
            deployed=self._deployed,
            errands=self._errands,
            deploy_seconds=self._deploy_seconds,
        )
        activity = Deploying(
            YapapiActivity(context),
            image=self._image,
            deployed=self._deployed,
            still_seconds=self._still_seconds,
            told=self._told,
        )
        try:
            with contextlib.suppress(StopAsyncIteration):
                await self._process(agreement_id, activity, batches)
        finally:
            await activity.aclose()
            await _leave_out(network, context.provider_id)
        await self._engine.accept_payments_for_agreement(self._job.id, agreement_id)
        return False


async def _leave_out(network: Any, provider_id: str) -> None:
    """Take a provider that is left out of the private network.

    It knows the session's token, and the next one's workload shall not be in its reach.
    """
    with contextlib.suppress(NetApiException, OSError, aiohttp.ClientError, asyncio.TimeoutError):
        await wait_for(network.remove_node(provider_id), _LEAVE_SECONDS)
