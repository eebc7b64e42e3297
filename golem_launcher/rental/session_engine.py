"""yapapi's engine for one session: its demands, its private network, its bills.

yapapi's ``run_service`` wraps what is used here (an engine, a job, a worker, a batch generator; yapapi's own
``Executor`` is built on the same) in a loop that sleeps a second before each look at the market, restarts a service
without a limit, and learns of a dead provider never (yapapi#870). So the engine's parts are used directly, through
:mod:`golem_launcher.rental.yapapi_engine`. Three things follow from that:

* the event consumer is called synchronously, so ids are on disk before yapapi's next step;
* the allocation is ours: with a time-out by which it is found again, instead of ten years (yapapi#923);
* yapapi ends nothing on its own account: :mod:`golem_launcher.rental.payment.closing` does, from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher.market import reputation
from golem_launcher.rental.demand import Demand
from golem_launcher.rental.deploy_progress import DeployLimits
from golem_launcher.rental.event_consumer import EventConsumer
from golem_launcher.rental.private_network import PrivateNetwork
from golem_launcher.rental.provider_activity import ProviderActivity
from golem_launcher.rental.strategy import LaunchStrategy
from golem_launcher.rental.yapapi_engine import YapapiEngine
from golem_launcher.rental.yapapi_machine import machine_for_demand
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from golem_launcher.node.node import Node
    from golem_launcher.rental.activity_spec import ActivitySpec, Rented
    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.network_connection import NetworkConnection
    from golem_launcher.rental.payment.money import Funds
    from golem_launcher.rental.requested_machine import RequestedMachine
    from golem_launcher.request import LaunchRequest

_LOG = logging.getLogger(__name__)

_START_POLL_SECONDS = 0.005
_ENGINE_STOP_SECONDS = 15.0


class SessionEngine:
    """yapapi's engine for one session; its machines are rented by it. Not reusable.

    It begins when it is made, where a loop runs; ``publishable`` comes before the first demand, ``stop`` once.
    """

    def __init__(self, connection: NetworkConnection, machine: RequestedMachine, funds: Funds, choice: Choice) -> None:
        """``machine``: what each of the session's is to be. Raises ``OSError`` when the journal can't be written."""
        self._network = connection.network
        self._node = connection.node
        self._machine = machine
        self._choice = choice
        self._journal = funds.journal
        funds.journal.update(network_address=f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24")
        self._consumer = EventConsumer(choice, funds.journal, funds.money)
        self._engine = YapapiEngine(
            connection.node,
            funds.reserved,
            refused=self._consumer.refused_terms,
            budget=machine.request.budget,
            strategy=LaunchStrategy(choice, funds.journal, self._consumer.refused_bill, funds.money),
            event_consumer=self._consumer,
            subnet_tag=connection.subnet,
            payment_driver="erc20",
            payment_network=connection.network.payment_network,
            payment_token=connection.network.token,
        )
        self._publishable = asyncio.create_task(self._until_publishable())
        # Made beside the first negotiations.
        self._private_network = PrivateNetwork(
            self._engine, funds.journal, funds.reserved.identity, after=self._publishable
        )
        self._demands: list[Demand] = []
        self._activities: list[ProviderActivity] = []

    async def publishable(self) -> None:
        """Wait until a demand can be published. Bounded by yapapi's own REST time-outs; raises what it raises."""
        await asyncio.shield(self._publishable)

    async def _until_publishable(self) -> None:
        # Its last step starts `gftp`, a third of a second that the market need not wait for: `agree` does.
        while not self._engine.starting.done() and not self._engine.can_publish:  # noqa: ASYNC110
            await asyncio.sleep(_START_POLL_SECONDS)
        if self._engine.starting.done():
            self._engine.starting.result()
        self._engine.hear_refusals()

    def follow(self, node: Node) -> None:
        """Have yapapi ask the node at another address. Called when the node was found there after it did not answer."""
        self._node = node
        self._engine.follow(node)

    @property
    def works(self) -> bool:
        """Whether any of its machines has an activity."""
        return any(activity.works for activity in self._activities)

    @property
    def network_id(self) -> str:
        """The private network's, as the node calls it; empty before it is made."""
        return self._private_network.id

    async def renew(self, forgotten: str) -> None:
        """Begin anew with a node that was started anew: it forgot the private network with the id ``forgotten``."""
        self.revive()
        await self._private_network.renew(forgotten)

    async def rejoin(self, rented: Rented) -> Rented:
        """Reach a machine again after the node was started anew, by :meth:`PrivateNetwork.rejoin`."""
        self.revive()
        return await self._private_network.rejoin(rented, self._node.gsb_url)

    async def publish(self, request: LaunchRequest, expiration: datetime) -> Demand:
        """Publish a demand for agreements until ``expiration``, for machines as the ``request`` has them."""
        if self._private_network.is_spliced and not self.works:
            await self._private_network.replace()
        if request.choose == "reputation":
            self._choice.reputation = await reputation.scores(self._network)
        machine = await machine_for_demand(replace(self._machine, request=request), expiration)
        self._journal.update(demanded=True)
        demand = Demand(
            self._engine,
            machine,
            expiration,
            vpn=self._private_network.made,
            consumer=self._consumer,
            choice=self._choice,
            journal=self._journal,
        )
        self._demands.append(demand)
        return demand

    def activity(
        self, demand: Demand, spec: Callable[[], ActivitySpec], on_progress: Callable[[str, int, int, str], None]
    ) -> ProviderActivity:
        """The next machine's: it finds a provider by the ``demand``; ``spec`` says what is deployed there.

        ``on_progress``: called as a provider fetches the image, with what :meth:`Recorder.progress` takes.
        """
        image = self._machine.image
        limits = DeployLimits.of(self._network.patience, image)
        activity = ProviderActivity(
            self._engine, demand, self._private_network, spec=spec, image=image, limits=limits, on_progress=on_progress
        )
        self._activities.append(activity)
        return activity

    async def invoices_came(self, agreement_ids: Iterable[str], seconds: float) -> None:
        """Wait until the invoices of released agreements are accepted or refused, for ``seconds`` at most."""
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(asyncio.gather(*(self._consumer.invoiced[one].wait() for one in agreement_ids)), seconds)

    def revive(self) -> None:
        """Take up payments again where they ended: yapapi's tasks do at the first connection error. Else nothing."""
        self._engine.revive()

    async def stop(self) -> None:
        """End yapapi's engine: its tasks, its ``gftp``. Safe to call at any moment; never raises."""
        tasks = [self._engine.starting, self._publishable, *self._engine.tasks]
        for task in tasks:
            task.cancel()
        await self._private_network.aclose()
        await asyncio.gather(*(activity.aclose() for activity in self._activities))
        await asyncio.gather(*(demand.aclose() for demand in self._demands))
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await wait_for(self._engine.stop(None, None, None, wait_for_payments=False), _ENGINE_STOP_SECONDS)
        except Exception:  # noqa: BLE001 - it is the end: what it holds is closed from the journal
            _LOG.exception("yapapi did not stop in good order")
