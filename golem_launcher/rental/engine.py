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
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from ya_net.exceptions import ApiException

from golem_launcher.access.rejoin import RejoinedNetwork, far_end
from golem_launcher.errors import NodeError
from golem_launcher.market import reputation
from golem_launcher.rental.hiring import Hiring
from golem_launcher.rental.listener import Listener
from golem_launcher.rental.payload import session_payload
from golem_launcher.rental.strategy import LaunchStrategy
from golem_launcher.rental.yapapi_engine import YapapiEngine
from golem_launcher.text import clean_line
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from golem_launcher.networks import Network as GolemNetwork
    from golem_launcher.networks import Patience
    from golem_launcher.node.node import Node
    from golem_launcher.outbound import OutboundRules
    from golem_launcher.permits import Permit
    from golem_launcher.rental.choice import Choice
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.rental.package import Package, Rented
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.payment.money import Money
    from golem_launcher.request import LaunchRequest

_LOG = logging.getLogger(__name__)

_START_POLL_SECONDS = 0.005
_REST_SECONDS = 15.0
_ENGINE_STOP_SECONDS = 15.0
_IMAGE_SECONDS = 900.0
"""How long an image takes at most until our agent runs in it: it may have to install the workload (10 minutes)."""


class Engine:
    """yapapi's engine for one session; providers are hired from it, one after the other. Not reusable."""

    def __init__(
        self,
        *,
        node: Node,
        subnet: str,
        network: GolemNetwork,
        patience: Patience,
        request: LaunchRequest,
        outbound_rules: OutboundRules,
        image: SessionImage,
        choice: Choice,
        permit: Permit | None,
        journal: Journal,
        money: Money,
        told: Callable[[str, int, int, str], None],
    ) -> None:
        """``told``: how far an image is that a provider fetches, as :meth:`Recorder.progress` takes it."""
        self._node = node
        self._patience = patience
        self._golem_network = network
        self._request = request
        self._outbound_rules = outbound_rules
        self._image = image
        self._told = told
        self._permit = permit
        self._choice = choice
        self._journal = journal
        self._listener = Listener(choice, journal, money)
        self._engine = YapapiEngine(
            node,
            refused=choice.refused_by,
            budget=request.budget,
            strategy=LaunchStrategy(choice, journal, self._listener.refused_bill, money),
            event_consumer=self._listener,
            subnet_tag=subnet,
            payment_driver="erc20",
            payment_network=network.payment_network,
            payment_token=network.token,
        )
        self._starting: asyncio.Task[None] | None = None
        self._vpn: Any = None
        self._joining: asyncio.Task[Any] | None = None
        """Makes the private network, beside the first negotiations."""
        self._identity = ""
        self._rejoined: RejoinedNetwork | None = None
        self._far_network = ""
        """What the provider's end calls the private network, once the node was started anew and calls it otherwise."""
        self._hirings: list[Hiring] = []

    async def start(self, identity: str, allocation_id: str, expires: datetime) -> None:
        """Begin with an allocation made before. Bounded by yapapi's own REST time-outs."""
        self._engine.set_aside(
            allocation_id=allocation_id,
            amount=self._request.budget,
            platform=self._golem_network.platform,
            address=identity,
            expires=expires,
        )
        self._starting = asyncio.create_task(self._engine.start())
        # Its last step starts `gftp`, a third of a second that the market need not wait for: `agree` does.
        while not self._starting.done() and not self._engine.can_publish:  # noqa: ASYNC110
            await asyncio.sleep(_START_POLL_SECONDS)
        if self._starting.done():
            self._starting.result()
        self._engine.hear_refusals()
        self._identity = identity
        self._journal.update(network_address=f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24")
        self._joining = asyncio.create_task(self._make_network())

    async def _make_network(self) -> Any:
        """The private network, with our address in it and its gateway named.

        Newer exe-units send an empty gateway where none is named, at which a VM does not start. It is our node, which
        passes nothing on.
        """
        address = str(self._journal.entries.network_address)
        ours = str(next(ip_network(address).hosts()))
        self._vpn = await wait_for(self._engine.make_network(address, self._identity, ours=ours), _REST_SECONDS)
        self._journal.update(network_id=str(self._vpn.network_id))
        return self._vpn

    def follow(self, node: Node) -> None:
        """The node answers at another address now: yapapi's clients ask it there."""
        self._node = node
        self._engine.follow(node)

    @property
    def network_id(self) -> str:
        """The private network's, as the node calls it; empty before it is made."""
        return str(self._vpn.network_id) if self._vpn is not None else ""

    def renew(self) -> None:
        """Begin anew with a node that was started anew while nobody was rented: it forgot the private network."""
        self.revive()
        self._joining = asyncio.create_task(self._make_network())

    async def rejoin(self, rented: Rented) -> Rented:
        """Reach a provider again after the node was started anew: the private network is made again, under a new id.

        Whether the provider's end goes along shows when its workload is asked. Raises ``NodeError`` or ``BusError``.
        """
        self.revive()
        await self._leave_rejoined()
        self._far_network = self._far_network or rented.network_id
        gsb_url = self._node.gsb_url
        if gsb_url is None:
            raise NodeError("The node's bus is not on this computer.")
        try:
            await self._make_network()
            network_id = str(self._vpn.network_id)
            self._rejoined = await RejoinedNetwork.open(gsb_url, old_network=self._far_network, new_network=network_id)
            away = far_end(rented.provider_id, self._far_network)
            await wait_for(self._engine.add_to_network(network_id, away, rented.ip), _REST_SECONDS)
        except (TimeoutError, ApiException, OSError) as error:
            raise NodeError(f"The node did not make the private network again: {clean_line(str(error))}") from error
        return replace(rented, network_id=network_id)

    async def _leave_rejoined(self) -> None:
        rejoined, self._rejoined = self._rejoined, None
        if rejoined is not None:
            await rejoined.aclose()

    async def hire(self, package: Callable[[], Package], expiration: datetime) -> Hiring:
        """Publish a demand for agreements until ``expiration``; ``package`` is what goes into the activity."""
        assert self._starting is not None
        assert self._joining is not None
        if self._far_network:  # yapapi does not know all that is in the present network
            await self._leave_rejoined()
            self._far_network = ""
            with contextlib.suppress(ApiException):
                await wait_for(self._vpn.remove(), _REST_SECONDS)
            self._joining = asyncio.create_task(self._make_network())
        if self._request.choose == "reputation":
            self._choice.reputation = await reputation.scores(self._golem_network)
        payload = session_payload(
            self._request,
            await wait_for(self._image.task_package(), _REST_SECONDS),
            asked=self._outbound_rules,
            permit=self._permit,
            expires=expiration,
        )
        hiring = Hiring(
            self._engine,
            vpn=self._joining,
            started=self._starting,
            listener=self._listener,
            choice=self._choice,
            journal=self._journal,
            package=package,
            image=self._image,
            deploy_seconds=self._patience.deploy if self._image.familiar else self._longest_deploy(),
            still_seconds=self._patience.still,
            told=self._told,
        )
        self._hirings.append(hiring)
        hiring.demand(payload, expiration)
        return hiring

    def _longest_deploy(self) -> float:
        return max(self._patience.deploy, _IMAGE_SECONDS + self._image.longest_seconds)

    async def invoice_came(self, seconds: float) -> bool:
        """Wait until the invoice of the released agreement is accepted or refused; whether it came."""
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(self._listener.invoiced.wait(), seconds)
        return self._listener.invoiced.is_set()

    def revive(self) -> None:
        """Take up payments again where they ended: yapapi's tasks do at the first connection error. Else nothing."""
        self._engine.revive()

    async def stop(self) -> None:
        """End yapapi's engine: its tasks, its ``gftp``. Safe to call at any moment; never raises."""
        tasks = [task for task in (self._starting, self._joining, *self._engine.tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await self._leave_rejoined()
        await asyncio.gather(*(hiring.aclose() for hiring in self._hirings))
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await wait_for(self._engine.stop(None, None, None, wait_for_payments=False), _ENGINE_STOP_SECONDS)
        except Exception:  # noqa: BLE001 - it is the end: what it holds is closed from the journal
            _LOG.exception("yapapi did not stop in good order")
