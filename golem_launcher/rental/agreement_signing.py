"""Agreements with several providers side by side: the first that signs is taken, the others are let go.

yapapi signs with one provider at a time and waits 15 s for each. Here the best offer has a head start, the longer the
more the next best falls behind: for somebody nearly as good a second is too much, for one that costs five times as much
it is not. While it is not signed, the next best is asked as well, up to a few at once. Nobody is paid for an agreement
alone: a provider that signed too late loses nothing but a moment, and is told at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
from ya_market import ApiException
from yapapi import events

from golem_launcher.rental.activity_run import failure_text
from golem_launcher.rental.timeouts import REST_SECONDS
from golem_launcher.rental.yapapi_engine import cancel_agreement
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from golem_launcher.rental.yapapi_engine import YapapiJob

_LOG = logging.getLogger(__name__)

_SPARE = 2
"""So many providers more than are wanted are asked at once."""
_MOST_HEAD_STARTS = 5.0
_FAILURES = (ApiException, asyncio.TimeoutError, OSError, aiohttp.ClientError)
_REASON = {"message": "Another provider was faster", "golem.requestor.code": "Cancelled"}


class Signing:
    """Signs agreements with the providers whose offers reached one of yapapi's jobs. Used by :class:`Demand`."""

    def __init__(
        self,
        job: YapapiJob,
        pauses: Callable[[str], bool],
        refuses: Callable[[str, Mapping[str, Any], Mapping[str, Any]], bool],
    ) -> None:
        """``pauses`` says of a provider, by its id, whether it is let alone for now.

        ``refuses`` is asked before we sign, with the properties of the offer that was scored and the agreement's.
        """
        self._job = job
        self._pauses = pauses
        self._refuses = refuses
        self._passed_over: list[Any] = []
        """Offers of those who were let go: there for another time."""
        self._wanted = 0
        """How many agreements are sought at present."""
        self._asking: set[str] = set()
        """The providers that are asked at present: each once."""
        self._terminations: set[asyncio.Task[None]] = set()

    @property
    def may_begin(self) -> bool:
        """Whether there is an offer that can be signed now."""
        return self._best() is not None

    @property
    def scores(self) -> list[float]:
        """The scores of the offers that can be signed now."""
        return [offer.score for offer in self._free()]

    async def sign(self, head_start: float) -> Any:
        """Sign with the best offer at hand, or with the provider that is faster once the best had its head start.

        That is ``head_start`` seconds before one who is as good, and up to five times as much before one who is not.
        The agreement, which is in the job's pool then; ``None`` when nobody signed. Several may sign at a time.
        """
        for proposal in self._passed_over:
            self._job.offer_again(proposal)
        self._passed_over.clear()
        asked: dict[asyncio.Task[Any], Any] = {}
        self._wanted += 1
        try:
            while (signed := await self._first(asked, head_start)) is None:
                if not asked and not self.may_begin:
                    return None
        finally:
            self._wanted -= 1
            await self._part(asked)
        await self._job.keep(signed)
        return signed

    async def aclose(self) -> None:
        """Cancel all attempts to sign. What they leave at the node is closed down from the journal."""
        await cancel_all(*self._terminations)

    async def _first(self, asked: dict[asyncio.Task[Any], Any], head_start: float) -> Any:
        """Ask one more and wait for the head start's time: the agreement that is signed by then, or ``None``."""
        best = self._best() if not asked or len(self._asking) < self._wanted + _SPARE else None
        if best is not None:
            self._job.take(best)
            self._asking.add(best.proposal.issuer)
            asked[asyncio.create_task(self._ask(best.proposal))] = best
        if not asked:
            return None
        leads = self._lead(max(offer.score for offer in asked.values()))
        done, _ = await asyncio.wait(asked, timeout=head_start * leads, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._asking.discard(asked.pop(task).proposal.issuer)
            if task.result() is not None:
                return task.result()
        return None

    def _best(self) -> Any:
        """The best offer on the table; ``None`` when there is none."""
        return max(self._free(), key=lambda offer: offer.score, default=None)

    def _free(self) -> list[Any]:
        return [
            offer
            for offer in self._job.offers
            if offer.proposal.issuer not in self._asking and not self._pauses(offer.proposal.issuer)
        ]

    def _lead(self, score: float) -> float:
        """How many head starts an offer of this score has before the next best one on the table."""
        following = self._best()
        if following is None or following.score >= score:
            return 1.0
        return min(score / following.score, _MOST_HEAD_STARTS) if following.score > 0 else _MOST_HEAD_STARTS

    async def _ask(self, proposal: Any) -> Any:
        """Sign and wait until the provider did, or did not: the agreement or ``None``."""
        try:
            agreement = await wait_for(proposal.create_agreement(), REST_SECONDS)
            details = await wait_for(agreement.get_details(), REST_SECONDS)
        except _FAILURES as error:
            _LOG.warning("an agreement could not be made: %s", failure_text(error))
            return None
        if self._refuses(proposal.issuer, proposal.props, details.provider_view.properties):
            _LOG.warning("an agreement was not signed: it asks for more than the offer")
            self._let_go(agreement)
            return None
        self._job.emit(events.AgreementCreated, agreement=agreement)
        signed = False
        try:
            signed = await agreement.confirm()
        except _FAILURES as error:
            _LOG.warning("an agreement could not be signed: %s", failure_text(error))
        finally:
            if not signed:  # who was only slow might sign it yet
                self._let_go(agreement)
        if not signed:
            self._job.emit(events.AgreementRejected, agreement=agreement)
            return None
        return agreement

    async def _part(self, asked: dict[asyncio.Task[Any], Any]) -> None:
        """Let go of all those who were asked in vain."""
        for task in asked:
            task.cancel()
        for agreement in await asyncio.gather(*asked, return_exceptions=True):
            if agreement is not None and not isinstance(agreement, BaseException):
                self._let_go(agreement)  # a dead heat
        self._passed_over += (offer.proposal for offer in asked.values())
        self._asking.difference_update(offer.proposal.issuer for offer in asked.values())

    def _let_go(self, agreement: Any) -> None:
        task = asyncio.create_task(_release(agreement))
        self._terminations.add(task)
        task.add_done_callback(self._terminations.discard)


async def _release(agreement: Any) -> None:
    """Take an agreement back, or end it when the provider has signed it meanwhile."""
    try:
        await wait_for(cancel_agreement(agreement, _REASON), REST_SECONDS)
    except _FAILURES:
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(agreement.terminate(_REASON), REST_SECONDS)
