"""One demand on the market, and agreements with the providers whose offers come to it: as many as machines are wanted.

All machines that are wanted at a time look for their providers by the same demand: each offer is then negotiated once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any

import aiohttp
from ya_market import ApiException

from golem_launcher.errors import MarketError, NodeError
from golem_launcher.rental.activity_run import failure_text
from golem_launcher.rental.agreement import SignedAgreement
from golem_launcher.rental.agreement_signing import Signing
from golem_launcher.rental.timeouts import REST_SECONDS
from golem_launcher.rental.yapapi_engine import YapapiJob
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from golem_launcher.networks import Patience
    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.event_consumer import EventConsumer
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.yapapi_engine import YapapiEngine

_LOG = logging.getLogger(__name__)

_MOST_FALLS = 6
_FALL_SECONDS = 3.0
"""How much longer each time, after the first, before the demand is published again: 45 s in all."""
_MARKET_FAILURES = (ApiException, OSError, aiohttp.ClientError, asyncio.TimeoutError)
_ANEW_SECONDS = 3.0
"""How long to wait before the demand is published anew, when nobody at hand signed."""


class Demand:
    """On the market from the moment at which it is made, for agreements until ``expiration``.

    Made by :class:`golem_launcher.rental.session_engine.SessionEngine`. Leaves the market when nobody seeks a machine
    by it.
    """

    def __init__(
        self,
        engine: YapapiEngine,
        payload: Any,
        expiration: datetime,
        *,
        vpn: asyncio.Future[Any],
        consumer: EventConsumer,
        choice: Choice,
        journal: Journal,
    ) -> None:
        """``vpn`` is done when the private network is made: nobody is signed with before."""
        self._engine = engine
        self._vpn = vpn
        self._consumer = consumer
        self._choice = choice
        self._journal = journal
        self._seekers = 0
        self._used_up = math.inf
        """When nobody at hand signed, by the loop's clock."""
        self._fell = 0
        """How often the search for offers broke off."""
        self.job = YapapiJob(engine, expiration, payload)
        self._signing = Signing(self.job, choice.backoff.pauses, choice.refuses_to_sign)
        engine.add_job(self.job)
        self._market = self._find_offers()

    @contextlib.contextmanager
    def sought(self) -> Iterator[None]:
        """Keep the demand on the market for the length of a ``with`` block, while a machine is sought by it."""
        self._seekers += 1
        try:
            yield
        finally:
            self._seekers -= 1
            if not self._seekers:
                self._market.cancel()

    async def agree(self, patience: Patience) -> SignedAgreement:
        """Find a provider and sign with it. Several callers may wait at once.

        Offers are compared, by ``patience.compare``, while better ones than those at hand may still come to terms. Then
        the best has ``patience.head_start`` to sign before the next best is asked too. An offer is good for one
        agreement: when those at hand are used up, or a pause is over, the demand is published anew. Raises
        ``MarketError`` when nobody was found within ``patience.search``, or ``patience.refused`` after all offers seen
        were refused, each as long as it lasts on a busy computer; :meth:`Choice.failure` knows why.
        """
        news = self._consumer.news
        time = asyncio.get_running_loop().time
        began = time()
        compared = False
        while True:
            news.clear()
            if self._signing.may_begin:
                if not compared:
                    await self._compare(*patience.compare)
                    compared = True
                await asyncio.shield(self._vpn)
                signed = await self._signing.sign(patience.head_start)
                if signed is not None:
                    invoiced = self._consumer.invoiced[signed.id]
                    return SignedAgreement(signed.id, self._journal, self._choice, invoiced)
                self._used_up = time()
            if self._market.done():
                self._look_on(self._market)
            left = began + patience.lasts(patience.search) - time()
            seconds = min(left, patience.lasts(patience.refused)) if self._choice.hopeless else left
            returns = min(self._choice.backoff.returning().values(), default=math.inf)
            anew = min(returns, self._used_up + _ANEW_SECONDS - time())
            try:
                await wait_for(news.wait(), max(min(seconds, anew), 0.0))
            except TimeoutError:
                if seconds > anew:
                    self._used_up = math.inf
                    if not self._signing.may_begin:
                        await self._ask_anew()
                elif self._choice.hopeless or began + patience.lasts(patience.search) <= time():
                    raise MarketError("Nobody agreed in time.") from None

    async def aclose(self) -> None:
        """Cancel everything that is going on. What is left at the node is closed down from the journal."""
        self._market.cancel()
        await asyncio.gather(self._market, return_exceptions=True)
        await self._signing.aclose()
        if not self.job.finished.is_set():
            self._engine.finalize_job(self.job)

    def _find_offers(self, *, after: float = 0.0) -> asyncio.Task[None]:
        async def find() -> None:
            await asyncio.sleep(after)  # a node that is being started anew takes a few seconds
            await self.job.find_offers()

        market = asyncio.create_task(find())
        market.add_done_callback(lambda _: self._consumer.news.set())
        return market

    def _look_on(self, ended: asyncio.Task[None]) -> None:
        """Publish the demand again: a busy node loses count of its events now and then, at which yapapi gives up."""
        self._fell += 1
        error = ended.exception()
        if not isinstance(error, _MARKET_FAILURES):
            ended.result()
            raise MarketError("The demand left the market.", "Try again.")
        if self._fell > _MOST_FALLS:
            what = f"The node does not look for providers any more: {failure_text(error)}."
            raise NodeError(what, "See: golem-launcher doctor")
        _LOG.warning("the demand is published again: %s", failure_text(error))
        self.job.forget_offers()
        self._market = self._find_offers(after=_FALL_SECONDS * (self._fell - 1))

    async def _ask_anew(self) -> None:
        """Take the demand off the market; yapapi then publishes it again, and offers come as to a new one."""
        self.job.forget_offers()
        with contextlib.suppress(*_MARKET_FAILURES):
            demand = self._consumer.subscriptions[self.job.id].id
            await wait_for(self._engine.unsubscribe(demand), REST_SECONDS)

    async def _compare(self, least: float, most: float) -> None:
        """Wait for better offers, while there are providers of such that may still come to terms."""
        time = asyncio.get_running_loop().time
        end = time() + most
        await asyncio.sleep(least)
        negotiating = self._consumer.negotiating[self.job.id]
        while self._choice.may_do_better(negotiating, self._signing.scores) and time() < end:
            self._consumer.news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await wait_for(self._consumer.news.wait(), end - time())
