"""One machine's provider: the agreement with it, and the activity under that, through yapapi's parts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
from yapapi.script.capture import CaptureContext

from golem_launcher.errors import ProviderError
from golem_launcher.rental.activity_batches import ActivityTransfer, BatchQueue
from golem_launcher.rental.activity_run import WORDS_SECONDS, run_activity
from golem_launcher.rental.deploy_progress import DeployProgress
from golem_launcher.rental.timeouts import REST_SECONDS
from golem_launcher.rental.yapapi_engine import YapapiActivity, agreement_of
from golem_launcher.waiting import cancel_all, first_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.networks import Patience
    from golem_launcher.rental.activity_spec import ActivitySpec, Rented
    from golem_launcher.rental.agreement import SignedAgreement
    from golem_launcher.rental.demand import Demand
    from golem_launcher.rental.deploy_progress import DeployLimits
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.rental.payment.journal import AgreementEntry
    from golem_launcher.rental.private_network import PrivateNetwork
    from golem_launcher.rental.yapapi_engine import YapapiEngine

_WORKER_END_SECONDS = 15.0


class ProviderActivity:
    """One machine's agreement and activity, from the search for a provider on. Made by a ``SessionEngine``."""

    def __init__(
        self,
        engine: YapapiEngine,
        demand: Demand,
        private_network: PrivateNetwork,
        *,
        spec: Callable[[], ActivitySpec],
        image: SessionImage,
        limits: DeployLimits,
        on_progress: Callable[[str, int, int, str], None],
    ) -> None:
        """``spec`` says what is deployed in each activity; ``on_progress`` is called as the image is fetched."""
        self._engine = engine
        self._demand = demand
        self._private_network = private_network
        self._spec = spec
        self._image = image
        self._limits = limits
        self._on_progress = on_progress
        self._signed: SignedAgreement | None = None
        """The one that is worked under."""
        self._worker: asyncio.Task[None] | None = None
        self._deployed: asyncio.Future[Rented] = asyncio.get_running_loop().create_future()
        self._batches = BatchQueue()
        self._created, self._may_deploy = asyncio.Event(), asyncio.Event()
        self._began = 0.0
        """When the present provider signed."""
        self._last_words: tuple[str, ...] = ()
        """The command that tells what the agent said last."""

    @property
    def works(self) -> bool:
        """Whether there is an activity."""
        return self._worker is not None and not self._worker.done()

    @property
    def agreement(self) -> AgreementEntry | None:
        """The present one, as the journal has it."""
        return self._signed.entry if self._signed is not None else None

    @property
    def agreement_id(self) -> str:
        """The present agreement's id; empty before one is signed."""
        return self._signed.id if self._signed is not None else ""

    async def agree(self, patience: Patience) -> None:
        """Find a provider and sign with it, as :meth:`Demand.agree` does."""
        self._signed = await self._demand.agree(patience)
        self._began = asyncio.get_running_loop().time()
        self._signed.begin()

    async def begin(self) -> None:
        """Begin to work with who signed: its activity is made, at which nothing runs before :meth:`deploy`."""
        self._may_deploy.clear()  # of a provider before
        await asyncio.shield(self._engine.starting)
        await self._start_work()

    async def created(self) -> None:
        """Wait until the provider has heard of its activity, or could not create it, which :meth:`deployed` tells."""
        if self._worker is not None:
            async with first_of(self._created.wait(), asyncio.shield(self._worker)):
                pass

    def deploy(self) -> None:
        """Have the workload brought to life there, in the present activity and any that takes its place."""
        self._may_deploy.set()

    async def deployed(self) -> Rented:
        """Wait until the workload runs. Raises ``ProviderError`` when the provider failed at it."""
        if self._worker is None:
            raise ProviderError("The provider has ended the agreement.")
        either: list[asyncio.Future[Any]] = [self._worker, self._deployed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._deployed.done():
            raise ProviderError("The provider could not create the activity.")
        return self._deployed.result()

    async def start_again(self) -> bool:
        """Try another activity under the same agreement, after one at which the workload did not start; whether it is.

        Not where the first took long: then another provider is likely to be ready sooner.
        """
        if asyncio.get_running_loop().time() - self._began > self._limits.whole / 2:
            return False
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=_WORKER_END_SECONDS)
        if not self._demand.job.is_free(self.agreement_id):
            return False  # it has ended, or its first activity has not
        await self._start_work()
        return True

    def bulk_transfer(self) -> ActivityTransfer:
        """A way for whole files to and from the present activity, past the VPN. Called once its workload runs."""
        return ActivityTransfer(self._batches)

    async def last_words(self) -> str:
        """Fetch the agent's last report, uncleaned; empty when it can't be had. Called when the workload is silent."""
        if not self.works:
            return ""

        def ask(script: Any) -> None:
            script.run(*self._last_words, stdout=CaptureContext.build(mode="all"))

        try:
            done = await wait_for(self._batches.run(ask, seconds=WORDS_SECONDS), WORDS_SECONDS)
        except (TimeoutError, ProviderError):
            return ""
        return "".join(getattr(event, "stdout", None) or "" for event in done)

    async def give_up(self, reason: str) -> None:
        """Let go of the present provider and leave it alone for a while; another can be agreed with."""
        if self._signed is not None:
            self._signed.blame(reason)
        await self.release()

    async def release(self) -> None:
        """End the activity and the agreement in good order, bounded in time.

        Where the node does not answer, no time is paid for from now on, and the session's closing ends it.
        """
        if self._signed is not None:
            self._signed.expect_invoice()
        self._batches.leave()
        self._may_deploy.set()  # there is no more to wait for
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=_WORKER_END_SECONDS)
        await self._end_worker()
        if self._signed is None:
            return
        reason = {"message": "The session ended", "golem.requestor.code": "Success"}
        heard = False
        try:
            with contextlib.suppress(asyncio.TimeoutError, aiohttp.ClientError):
                heard = await wait_for(self._demand.job.end(self._signed.id, reason), REST_SECONDS)
        finally:
            self._signed.note_end(heard=heard)

    async def aclose(self) -> None:
        """End all tasks here without asking the provider: it is gone, or let go of. Safe to call at any moment."""
        await self._end_worker()

    async def _start_work(self) -> None:
        """Begin to work with who signed last."""
        self._deployed = asyncio.get_running_loop().create_future()
        self._batches = BatchQueue()
        self._created.clear()
        self._worker = await self._engine.start_worker(
            self._demand.job, self._try, existing_agreement_id=self.agreement_id
        )

    async def _end_worker(self) -> None:
        if self._worker is not None:
            await cancel_all(self._worker)
            self._worker = None
        self._batches.drop()
        if self._signed is not None:
            self._signed.leave()

    async def _try(self, context: Any) -> bool:
        """Work in an activity; at one where the workload did not start, the agreement goes on, for another one."""
        try:
            return await self._work(context)
        except Exception:
            if not self._deployed.done() or self._deployed.exception() is None:
                raise
            return False

    async def _process(self, agreement_id: str, activity: Any, batches: Any) -> None:
        """Send the batches, until all are done, or it is known that the workload won't start: a deploy stands still."""
        work = asyncio.create_task(self._engine.process_batches(self._demand.job.id, agreement_id, activity, batches))
        try:
            await asyncio.wait({work, self._deployed}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._private_network.came_up(self._deployed.result().provider_id)
            await work
        finally:
            await cancel_all(work)
            await batches.aclose()

    async def _work(self, context: Any) -> bool:
        """What yapapi's worker does once there is an activity."""
        self._created.set()
        await self._may_deploy.wait()
        if not self._batches.is_left:
            await self._deploy(context)
        await self._engine.accept_payments_for_agreement(self._demand.job.id, agreement_of(context).id)
        return False

    async def _deploy(self, context: Any) -> None:
        """Have the workload run, and batches, until these say to leave."""
        agreement_id = agreement_of(context).id
        spec = self._spec()
        self._last_words = spec.shipment.last_words
        node = await self._private_network.add(context.provider_id)
        self._engine.forget_age(context.id)
        batches = run_activity(
            context,
            node,
            spec,
            deployed=self._deployed,
            batches=self._batches,
            deploy_seconds=self._limits.whole,
        )
        activity = DeployProgress(
            YapapiActivity(context),
            image=self._image,
            provider_id=context.provider_id,
            deployed=self._deployed,
            still_seconds=self._limits.still,
            on_progress=self._on_progress,
        )
        try:
            with contextlib.suppress(StopAsyncIteration):
                await self._process(agreement_id, activity, batches)
        finally:
            await activity.aclose()
            await self._private_network.leave_out(context.provider_id)
