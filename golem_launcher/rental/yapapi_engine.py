"""The one way to yapapi's inside: what it keeps private and a session needs is touched here and nowhere else.

yapapi gives no public way below ``run_service`` (:mod:`golem_launcher.rental.session_engine` says why that is not
enough). All that is taken for granted of its inside is in ``tests/rental/test_yapapi_contract.py``, which fails by name
when another yapapi has it otherwise. Its classes are extended; none of its objects is given another method.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ya_activity
import ya_market
import ya_net
import ya_payment
from ya_market import RequestorApi
from ya_market.models import ProposalEvent, ProposalRejectedEvent
from yapapi.agreements_pool import AgreementsPool
from yapapi.config import ApiConfig
from yapapi.engine import Job, _Engine
from yapapi.network import Network
from yapapi.rest import Market
from yapapi.rest.configuration import Configuration
from yapapi.rest.payment import Allocation

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from golem_launcher.node.node import Node
    from golem_launcher.rental.payment.money import Reserved

_NOBODY = Path(__file__).with_name("nobody.pem")
"""A certificate whose key nobody has: some file with one is to be named."""
_LONG_AGO = datetime(1970, 1, 1)  # noqa: DTZ001 - yapapi compares it with a time that has no zone
_MOST_PROPOSALS = 1000
"""So many are remembered, the last ones: providers make as many as they like."""

Refused = Callable[[str, str, str], None]
"""Told that a provider refuses our terms: our demand's id, the provider's, if known, and its words, uncleaned."""


class YapapiEngine(_Engine):
    """yapapi's engine at a node, as :class:`golem_launcher.rental.session_engine.SessionEngine` drives it."""

    _api_config: Any
    _market_api: Any

    def __init__(self, node: Node, reserved: Reserved, *, refused: Refused, **options: Any) -> None:
        """Starts, where a loop runs, and pays from what is ``reserved``: without that it would reserve something else.

        ``refused`` is called once :meth:`hear_refusals` was.
        """
        super().__init__(api_config=_config(node), **options)
        self._api_config = clients(node)
        self._said_no = refused
        self._budget_allocations.append(
            Allocation(
                _api=None,
                id=reserved.allocation_id,
                amount=reserved.amount,
                payment_platform=reserved.platform,
                payment_address=reserved.identity,
                expires=reserved.expires,
            )
        )
        self.starting = asyncio.create_task(self.start())
        """Done when activities can be made."""

    @property
    def can_publish(self) -> bool:
        """Whether it has started as far as publishing a demand needs; it may still be starting ``gftp``."""
        return hasattr(self, "payment_decorator")

    def hear_refusals(self) -> None:
        """Have ``refused`` called from now on: once the engine can publish, and before a job is made."""
        self._market_api = _HearingMarket(self._market_api._api.api_client, self._said_no)

    def make_network(self, address: str, identity: str, *, ours: str) -> Awaitable[Any]:
        """A private network, as yapapi has it, in which our node has the address ``ours`` and is the gateway."""
        made: Awaitable[Any] = Network.create(self._net_api, address, identity, owner_ip=ours, gateway=ours)
        return made

    async def tell_again(self, network_id: str, provider_id: str, address: str) -> None:
        """Have the node tell all machines in a private network of one that is in it."""
        await self._net_api.add_node(network_id, provider_id, address)

    async def unsubscribe(self, demand_id: str) -> None:
        """Take a demand off the market; a job that looks for offers publishes it again."""
        await self._market_api._api.unsubscribe_demand(demand_id)

    def forget_age(self, activity_id: str) -> None:
        """Have no debit note of an activity come too early: yapapi would end the agreement when the clock is set back.

        How often notes come is judged by :mod:`golem_launcher.rental.payment.debit_note_rate`.
        """
        self._activity_created_at[activity_id] = _LONG_AGO

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks in which it handles invoices and debit notes."""
        return list(self._services)

    def revive(self) -> None:
        """Take up payments again where they ended: yapapi's tasks do at the first connection error. Else nothing."""
        if any(task.done() for task in self._services):
            for task in self._services:
                task.cancel()
            self._services.clear()
            self._process_invoices_job = asyncio.create_task(self._process_invoices())
            notes = asyncio.create_task(self._process_debit_notes())
            self._services.update({self._process_invoices_job, notes})

    def follow(self, node: Node) -> None:
        """Ask the node at another address from now on."""
        urls = clients(node)
        for api, url in (
            (self._market_api, urls.market_url),
            (self._activity_api, urls.activity_url),
            (self._payment_api, urls.payment_url),
            (self._net_api, urls.net_url),
        ):
            api._api.api_client.configuration.host = url
        if node.gsb_url is None:  # else `gftp` finds the bus again, where it was
            self._storage_manager._process = None  # the next one goes by the environment


class YapapiJob(Job):
    """yapapi's job: one demand, the offers that came to terms with us, the agreements made of them."""

    agreements_pool: _Pool

    def __init__(self, engine: YapapiEngine, expiration: datetime, payload: Any) -> None:
        super().__init__(engine, expiration, payload)
        self.agreements_pool = _Pool(self.emit, engine.recycle_offer, market_api=engine._market_api)

    @property
    def offers(self) -> list[Any]:
        """What can be signed at present: each has a ``score`` and a ``proposal``."""
        return list(self.agreements_pool._offer_buffer.values())

    def take(self, offer: Any) -> None:
        """Take an offer off the table, because it is being signed."""
        del self.agreements_pool._offer_buffer[offer.proposal.issuer]

    def offer_again(self, proposal: Any) -> None:
        """Put an offer back that was taken and not signed."""
        self.agreements_pool.offer_recycler(proposal)

    def forget_offers(self) -> None:
        """Drop the offers at hand: the demand that they answered is off the market."""
        self.agreements_pool._offer_buffer.clear()

    async def keep(self, agreement: Any) -> None:
        """Have yapapi know an agreement that both sides signed, so that a worker can use it; it is announced again."""
        await self.agreements_pool._prepare_agreement(agreement, requires_confirmation=False)

    def is_free(self, agreement_id: str) -> bool:
        """Whether one of its agreements is still there and nobody works under it."""
        held = self.agreements_pool._agreements.get(agreement_id)
        return held is not None and held.worker_task is None

    async def end(self, agreement_id: str, reason: dict[str, str]) -> bool:
        """End one of its agreements, whoever works under it; whether its provider knows. Nothing where it has ended.

        Raises ``aiohttp.ClientError`` for a connection to the node that breaks: yapapi catches the most of them.
        """
        async with self.agreements_pool._lock:
            known = self.agreements_pool._agreements.get(agreement_id)
            if known is None:
                return True
            await self.agreements_pool._terminate_agreement(agreement_id, reason)
            # One that is for a single activity ends with that.
            return bool(known.agreement.terminated or not known.has_multi_activity)


class _PlainClients(Configuration):
    """yapapi's clients of a node that is asked without TLS.

    As they are made, each reads the certificates of 140 authorities, for nothing: 4 MiB and a tenth of a second in all.
    """

    def market(self) -> Any:
        """As yapapi has it, likewise the others."""
        return self._client(ya_market, self.market_url)

    def payment(self) -> Any:
        return self._client(ya_payment, self.payment_url)

    def activity(self) -> Any:
        return self._client(ya_activity, self.activity_url)

    def net(self) -> Any:
        return self._client(ya_net, self.net_url)

    def _client(self, api: Any, url: str) -> Any:
        configuration = api.Configuration(host=url)
        configuration.ssl_ca_cert = str(_NOBODY)
        return api.ApiClient(configuration, header_name="authorization", header_value=f"Bearer {self.app_key}")


class _Pool(AgreementsPool):
    """yapapi's pool of agreements: a worker gets the one that it is meant for, of however many are free."""

    async def use_agreement(
        self, cbk: Callable[[Any], asyncio.Task[Any]], agreement_id: str | None = None
    ) -> asyncio.Task[Any] | None:
        """As yapapi has it; ``None`` when the agreement is no more, or somebody works under it."""
        async with self._lock:
            held = self._agreements.get(agreement_id or "")
            if held is None or held.worker_task is not None:
                return None
            worker = held.worker_task = cbk(held.agreement)
            return worker


class YapapiActivity:
    """yapapi's activity, which tells nobody where its events are."""

    def __init__(self, context: Any) -> None:
        """``context`` is the work context that yapapi hands to a worker."""
        self._activity = context._activity

    async def send(self, script: list[dict[str, Any]], deadline: datetime | None = None) -> Any:
        """Send a batch of commands; yapapi's batch."""
        return await self._activity.send(script, deadline=deadline)

    async def state(self) -> Any:
        """Its state, as the node says."""
        return await self._activity.state()

    def events(self, batch_id: str) -> tuple[str, dict[str, str]]:
        """Where a batch's events are streamed, and with which headers: yapapi's own stream adds them to all calls."""
        client = self._activity._api.api_client
        headers = dict(client.default_headers)
        client.update_params_for_auth(headers, None, ["app_key"])
        return f"{client.configuration.host}/activity/{self._activity.id}/exec/{batch_id}", headers


def agreement_of(context: Any) -> Any:
    """The agreement under which a worker has its context."""
    return context._agreement


async def cancel_agreement(agreement: Any, reason: dict[str, str]) -> None:
    """Take back an agreement that the provider has not signed. Raises ``ApiException`` when it has."""
    await agreement._api.cancel_agreement(agreement.id, request_body=reason)


class _HearingMarket(Market):
    """yapapi's market; it reads there all that is said, and passes on offers alone."""

    def __init__(self, client: Any, refused: Refused) -> None:
        super().__init__(client)
        self._api = _HearingApi(client, refused)


class _HearingApi(RequestorApi):
    """Hears the market's events that tell who refused our terms, and why, before yapapi drops them."""

    def __init__(self, client: Any, refused: Refused) -> None:
        super().__init__(client)
        self._refused = refused
        self._issuers: dict[str, str] = {}
        """Who made a proposal, or got one of ours, by its id."""

    async def collect_offers(self, subscription_id: str, **options: Any) -> Any:
        """As the market has it."""
        found = await super().collect_offers(subscription_id, **options)
        for event in found:
            if isinstance(event, ProposalEvent):
                self._remember(str(event.proposal.proposal_id), str(event.proposal.issuer_id))
            elif isinstance(event, ProposalRejectedEvent):
                words = "" if event.reason is None else str(event.reason.message)
                self._refused(subscription_id, self._issuers.pop(str(event.proposal_id), ""), words)
        return found

    async def counter_proposal_demand(
        self, subscription_id: str, proposal_id: str, demand_offer_base: Any, **options: Any
    ) -> Any:
        """As the market has it: the id of our proposal, by which the provider's refusal names it."""
        ours = await super().counter_proposal_demand(subscription_id, proposal_id, demand_offer_base, **options)
        self._remember(ours, self._issuers.pop(proposal_id, ""))
        return ours

    def _remember(self, proposal_id: str, issuer: str) -> None:
        self._issuers[proposal_id] = issuer
        if len(self._issuers) > _MOST_PROPOSALS:
            del self._issuers[next(iter(self._issuers))]


def clients(node: Node) -> Configuration:
    """Makes yapapi's clients of a node."""
    return (_PlainClients if node.api_url.startswith("http:") else Configuration)(_config(node))


def _config(node: Node) -> Any:
    return ApiConfig(app_key=node.app_key, api_url=node.api_url)
