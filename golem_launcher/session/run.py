"""The way of one session: checks, allocation, provider, agent, Lab, watching, closing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import json
import logging
import os
import secrets
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.access.package import agent_archive
from golem_launcher.access.ways import WaysIn
from golem_launcher.errors import (
    BudgetError,
    MarketError,
    NodeError,
    NodeRefused,
    NodeUnreachable,
    ProviderError,
)
from golem_launcher.events import Stage
from golem_launcher.networks import NETWORKS
from golem_launcher.outbound import access
from golem_launcher.session import places
from golem_launcher.session.choice import Choice, offers_at_most
from golem_launcher.session.closing import close_down
from golem_launcher.session.journal import AgreementEntry, Journal
from golem_launcher.session.lab import LabClient
from golem_launcher.session.package import Package
from golem_launcher.session.prices import glm
from golem_launcher.session.watch import Watch
from golem_launcher.session.yagna import YagnaRest

if TYPE_CHECKING:
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session.engine import Engine
    from golem_launcher.session.package import Rented
    from golem_launcher.session.recorder import Recorder

_LOG = logging.getLogger(__name__)

_AGENT_PATH = "/golem/run/golem-launcher-agent.pyz"
_CONFIG_PATH = "/golem/run/golem-launcher-agent.json"
_ROOT = "../work"
"""As seen from the configuration: a runtime without mounts keeps the container's paths somewhere else."""

_ATTEMPTS = 3
_LAB_POLL_SECONDS = 0.1
_LAB_PROBE_SECONDS = 2.0
_EXPIRY_MARGIN = timedelta(minutes=5)
"""The agreement outlives the deadline by this: the last bills need it, and real providers want five minutes."""
_ALLOCATION_MARGIN = timedelta(hours=2)
_SCAN_SECONDS = 3.0
_INVOICE_SECONDS = 15.0
_LATE_INVOICE_SECONDS = 3.0


class Run:
    """One session at work. ``work`` once, then ``close`` once, whatever happened."""

    hurry = False
    """Close without waiting for anybody's good manners."""

    def __init__(self, directory: SessionDirectory, recorder: Recorder) -> None:
        self._directory = directory
        self._recorder = recorder
        self._request = directory.request()
        self._network = NETWORKS[self._request.network]
        mirror = self._network.money != "none"
        self._access = access(self._request.outbound, self._request.outbound_urls, mirror=mirror)
        self._choice = Choice(self._request)
        self._journal = Journal.create(directory.path)
        self._resources = contextlib.AsyncExitStack()
        self._rest: YagnaRest | None = None
        self._engine: Engine | None = None
        self._token = secrets.token_hex(24)
        self._ways = WaysIn(
            directory.path,
            self._request.name,
            secret=self._token,
            ssh_key=self._request.ssh_key,
            own_scripts=self._request.image is not None,
        )
        self._billed = Decimal(0)
        self._provider_lives = False
        self._provider_lost = False

    async def work(self) -> str:
        """From the request to the end of the session by its own terms; the reason. Raises ``LauncherError``."""
        self._recorder.enter(Stage.CHECKING)
        self._recorder.write_token(self._token)
        deadline = datetime.now(timezone.utc) + timedelta(hours=float(self._request.hours))
        self._recorder.update(deadline=deadline)
        expires = deadline + _ALLOCATION_MARGIN + timedelta(microseconds=secrets.randbelow(1_000_000))
        (place, identity, allocation_id), module = await asyncio.gather(
            self._enter(expires),
            asyncio.to_thread(importlib.import_module, "golem_launcher.session.engine"),  # half a second of imports
        )
        self._engine = module.Engine(
            node=place.node,
            network=self._network,
            subnet=place.subnet,
            request=self._request,
            choice=self._choice,
            journal=self._journal,
            warn=lambda text: self._recorder.message(text, "warning"),
            billed=self._on_billed,
        )
        await self._engine.start(identity, allocation_id, expires)
        self._recorder.enter(Stage.NEGOTIATING)
        self._recorder.message(self._access.sentence)
        await self._ways.start()
        self._resources.push_async_callback(self._ways.aclose)
        self._engine.prepare(lambda: self._package(deadline), deploy_seconds=place.deploy_seconds)
        await self._engine.demand(
            self._request.image or place.image_tag, place.registry_url, self._access, deadline + _EXPIRY_MARGIN
        )
        rented = await self._rent(place)
        return await self._be_ready(rented, deadline)

    def open_on_hub(self) -> int:
        """Let the hub's server show the Lab, which the user has agreed to; at which port. Raises ``AccessError``."""
        port = self._ways.allow_hub()
        self._recorder.update(hub_port=port)
        return port

    async def close(self) -> str:
        """Give everything back, bounded in time; what could not be done, in words, or nothing. Never raises."""
        try:
            engine = self._engine
            if engine is not None:
                if self._provider_lives and not self.hurry:
                    await engine.release()
                    await engine.invoice_came(_INVOICE_SECONDS)
                await engine.stop()
            await self._close_down()
        except NodeError as error:
            _LOG.warning("not everything was closed: %s", error)
            return f"Not everything could be closed down ({error.what}); it is tried again later."
        except Exception:  # noqa: BLE001 - the end must be written down whatever happens
            _LOG.exception("not everything was closed")
            return "Not everything could be closed down; it is tried again later."
        finally:
            with contextlib.suppress(Exception):
                await self._resources.aclose()
        return ""

    async def _close_down(self) -> None:
        if self._rest is None:
            return
        patience = 0.0 if self._provider_lost else _LATE_INVOICE_SECONDS
        try:
            await close_down(self._rest, self._journal, invoice_seconds=patience)
        except NodeUnreachable:
            node = await asyncio.to_thread(places.present, self._network)
            if node is None:
                raise
            async with YagnaRest(node) as rest:  # the node was started anew, elsewhere
                await close_down(rest, self._journal, invoice_seconds=patience)

    async def _node_moved(self) -> bool:
        node = await asyncio.to_thread(places.present, self._network)
        return node is not None and node.api_url != self._journal.entries.api_url

    async def _enter(self, expires: datetime) -> tuple[places.Place, str, str]:
        """Reach the network and set the money aside there: the place, our identity, the allocation's id."""
        place = await asyncio.to_thread(places.enter, self._network)
        os.environ.update(place.node.environment())  # yapapi starts `gftp` by the PATH
        self._rest = await self._resources.enter_async_context(YagnaRest(place.node))
        identity = await self._rest.identity()
        self._journal.update(api_url=place.node.api_url)
        return place, identity, await self._allocate(identity, expires)

    async def _allocate(self, identity: str, expires: datetime) -> str:
        assert self._rest is not None
        self._recorder.enter(Stage.ALLOCATING)
        self._journal.update(allocation_timeout=expires)
        try:
            allocation_id = await self._rest.create_allocation(
                amount=self._request.budget, platform=self._network.platform, address=identity, timeout=expires
            )
        except NodeRefused as error:
            raise BudgetError(
                f"The node could not set {glm(self._request.budget)} aside: {error.what}",
                "Put more into the wallet, or lower the budget.",
            ) from None
        self._journal.update(allocation_id=allocation_id)
        self._recorder.update(allocation_id=allocation_id)
        return allocation_id

    def _package(self, deadline: datetime) -> Package:
        config = {
            "token": self._token,
            "root": _ROOT,
            "deadline": deadline.timestamp(),
            "now": datetime.now(timezone.utc).timestamp(),  # the provider's clock may be wrong
            **self._ways.agent_settings(),
            "index_url": self._access.index_url,
        }
        return Package(
            files=((_AGENT_PATH, agent_archive()), (_CONFIG_PATH, json.dumps(config).encode())),
            argv=("python3", _AGENT_PATH, _CONFIG_PATH),
        )

    async def _rent(self, place: places.Place) -> Rented:
        """A provider whose Lab answers; several are tried."""
        assert self._engine is not None
        for _ in range(_ATTEMPTS):
            await self._agree(place)
            try:
                rented = await self._engine.deployed()
                self._recorder.enter(Stage.STARTING)
                await self._lab_answers(place, rented)
            except ProviderError as error:
                self._recorder.message(f"{self._recorder.state.provider_name}: {error.what}", "warning")
                self._ways.lead_nowhere()
                await self._engine.give_up(error.what)
                self._recorder.enter(Stage.NEGOTIATING)
            else:
                self._engine.leave_market()
                self._provider_lives = True
                return rented
        raise self._choice.failure()

    async def _agree(self, place: places.Place) -> None:
        """An agreement with somebody, or the reason why there is none, as early as it is known."""
        assert self._engine is not None
        agree = functools.partial(
            self._engine.agree,
            refused_seconds=place.refused_seconds,
            compare_seconds=place.compare_seconds,
            on_agreement=self._on_agreement,
        )
        try:
            await agree(search_seconds=place.look_seconds)
        except MarketError:
            offers = await self._offers(place)
            if self._choice.all_refused or (offers and not any(map(self._choice.fits, offers))):
                raise self._choice.failure(offers_at_most(offers)) from None
        else:
            return
        try:
            await agree(search_seconds=place.search_seconds)
        except MarketError:
            raise self._choice.failure() from None

    async def _offers(self, place: places.Place) -> list[dict[str, Any]]:
        """What the market has, whether it fits or not; nothing when that is already known or can't be."""
        assert self._rest is not None
        if self._choice.seen:
            return []
        try:
            return await self._rest.scan_offers(f"(golem.node.debug.subnet={place.subnet})", seconds=_SCAN_SECONDS)
        except NodeError:
            return []

    async def _lab_answers(self, place: places.Place, rented: Rented) -> None:
        uri = f"{place.node.api_url.replace('http', 'ws', 1)}/net-api/v1/net/{rented.network_id}"
        self._ways.lead_to(uri, rented.ip, place.node.app_key)
        end = asyncio.get_running_loop().time() + place.start_seconds
        async with LabClient(self._ways.lab, self._token) as lab:
            while not await lab.answers(seconds=_LAB_PROBE_SECONDS):
                if asyncio.get_running_loop().time() > end:
                    raise ProviderError(f"JupyterLab did not answer within {place.start_seconds:.0f} s.")
                await asyncio.sleep(_LAB_POLL_SECONDS)

    async def _be_ready(self, rented: Rented, deadline: datetime) -> str:
        assert self._rest is not None
        assert self._engine is not None
        self._recorder.update(address=self._ways.address, base_url=self._ways.base_url, activity_id=rented.activity_id)
        self._recorder.enter(Stage.READY)
        async with LabClient(self._ways.lab, self._token) as lab:
            log = asyncio.create_task(lab.follow_log(self._directory.lab_log))
            try:
                watch = Watch(
                    rest=self._rest,
                    lab=lab,
                    journal=self._journal,
                    recorder=self._recorder,
                    agreement_id=rented.agreement_id,
                    activity_id=rented.activity_id,
                    network_id=rented.network_id,
                    deadline=deadline,
                    budget=self._request.budget,
                    billed=lambda: self._billed,
                    node_is_back=self._engine.revive,
                    node_moved=self._node_moved,
                )
                return await watch.until_over()
            except (ProviderError, NodeError) as error:
                self._provider_lives = False
                self._provider_lost = isinstance(error, ProviderError)
                raise
            finally:
                log.cancel()
                await asyncio.gather(log, return_exceptions=True)

    def _on_agreement(self, entry: AgreementEntry) -> None:
        per_hour = entry.price.per_hour() if entry.price else None
        self._recorder.provider(entry.provider_id, entry.provider_name, entry.agreement_id, per_hour)
        self._recorder.enter(Stage.DEPLOYING)

    def _on_billed(self, amount: Decimal) -> None:
        self._billed = max(self._billed, amount)
        if amount > self._recorder.state.cost or self._recorder.state.stage is Stage.STOPPING:
            self._recorder.cost(amount, self._billed)
