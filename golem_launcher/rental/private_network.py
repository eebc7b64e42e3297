"""The private network of a session's machines: made at the node, and again under another id when that was started anew.

Each machine keeps its address in it. What a provider's end calls the network does not change, so that a network which
was made again is spliced with what the machines know: see :mod:`golem_launcher.rental.rejoined_network`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import aiohttp
from ya_net.exceptions import ApiException
from yapapi.network import NetworkError

from golem_launcher.errors import NodeError
from golem_launcher.rental.timeouts import REST_SECONDS
from golem_launcher.untrusted_text import clean_line, sentence
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from golem_launcher.rental.activity_spec import Rented
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.rental.rejoined_network import RejoinedNetwork
    from golem_launcher.rental.yapapi_engine import YapapiEngine

_LOG = logging.getLogger(__name__)

_LEAVE_SECONDS = 3.0
_LULL_SECONDS = 2.0
"""Machines are told of each other when no other came up for so long."""
_FAILURES = (ApiException, OSError, aiohttp.ClientError, asyncio.TimeoutError)


class PrivateNetwork:
    """The one network of a session; the node makes it when this is constructed. ``aclose`` once."""

    def __init__(self, engine: YapapiEngine, journal: Journal, identity: str, *, after: Awaitable[None]) -> None:
        """``identity``: the node's. The network's address is in the journal already; it is made ``after`` that."""
        self._engine = engine
        self._journal = journal
        self._identity = identity
        self.made: asyncio.Task[Any] = asyncio.create_task(self._make_first(after))
        """Done when it stands."""
        self._network: Any = None
        self._names: dict[str, str] = {}
        """By what name each provider is in the network, where that is not its id."""
        self._splices: dict[str, RejoinedNetwork] = {}
        """By the id that some machines' ends know."""
        self._turn = asyncio.Lock()
        self._missed: dict[str, set[str]] = {}
        """By each provider that makes ready: those that got an address meanwhile, of which its end may not hear."""
        self._to_tell: set[str] = set()
        """Providers that all are told of again."""
        self._telling: asyncio.Task[None] | None = None
        self._lull = True
        """Whether no machine came up since this was set."""

    @property
    def id(self) -> str:
        """The id under which the node has it; empty before it is made."""
        return str(self._network.network_id) if self._network is not None else ""

    @property
    def is_spliced(self) -> bool:
        """Whether some machines know it by an earlier id, from before the node was started anew."""
        return bool(self._splices)

    async def _make_first(self, after: Awaitable[None]) -> Any:
        await asyncio.shield(after)
        return await self._make()

    async def _make(self) -> Any:
        """The network, with our address in it and its gateway named.

        Newer exe-units send an empty gateway where none is named, at which a VM does not start. It is our node, which
        passes nothing on.
        """
        address = str(self._journal.entries.network_address)
        ours = str(next(ip_network(address).hosts()))
        self._network = await wait_for(self._engine.make_network(address, self._identity, ours=ours), REST_SECONDS)
        self._journal.update(network_id=self.id)
        return self._network

    async def renew(self, forgotten: str) -> None:
        """Make it again at a node that was restarted and has lost it; ``forgotten`` is the id it had there."""
        async with self._turn:
            await asyncio.wait({self.made})
            if self.id == forgotten:  # nobody did meanwhile
                self.made = asyncio.create_task(self._make())

    async def replace(self) -> None:
        """Replace it with a new one. Called when no machine is left in one that was spliced."""
        async with self._turn:
            await self._leave_splices()
            with contextlib.suppress(ApiException):
                await wait_for(self._network.remove(), REST_SECONDS)
            self.made = asyncio.create_task(self._make())

    async def add(self, provider_id: str) -> Any:
        """Give a provider an address. Called before its activity is deployed. Returns yapapi's node."""
        self._names.pop(provider_id, None)
        for missed in self._missed.values():
            missed.add(provider_id)
        self._missed[provider_id] = set()
        return await wait_for(self._network.add_node(provider_id), REST_SECONDS)

    async def leave_out(self, provider_id: str) -> None:
        """Remove a provider from the network once its machine was released or lost.

        It is a stranger again, and shall not reach the other machines.
        """
        name = self._names.pop(provider_id, provider_id)
        self._missed.pop(provider_id, None)
        with contextlib.suppress(*_FAILURES, KeyError):
            await wait_for(self._network.remove_node(name), _LEAVE_SECONDS)

    def came_up(self, provider_id: str) -> None:
        """Tell a machine that is up of those that got their addresses while it was being deployed.

        The node tells all machines of each one that it is given, once: a crowd of messages where there are many, so no
        more of them are told again than may have been missed.
        """
        self._to_tell |= self._missed.pop(provider_id, set())
        self._lull = False
        if self._to_tell and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._to_tell:
            while not self._lull:
                self._lull = True
                await asyncio.sleep(_LULL_SECONDS)
            provider_id = self._to_tell.pop()
            address = next((ip for ip, name in self._network.nodes_dict.items() if name == provider_id), None)
            if address is None:  # left out meanwhile
                continue
            try:
                await wait_for(self._engine.tell_again(self.id, provider_id, address), REST_SECONDS)
            except _FAILURES as error:
                _LOG.warning("not all machines could be told of each other: %s", clean_line(str(error)))

    async def rejoin(self, rented: Rented, gsb_url: str | None) -> Rented:
        """Reach a machine again after the node was restarted: the network is made again, under a new id.

        Of several machines, the first that asks has it made. Whether the provider's end goes along shows when its
        workload is asked. ``gsb_url`` is the node's bus. Raises ``NodeError`` or ``BusError``.
        """
        from golem_launcher.rental.rejoined_network import (  # noqa: PLC0415 - flatbuffers load numpy; few need it
            RejoinedNetwork,
            remote_end,
        )

        first = rented.first_network_id or rented.network_id
        async with self._turn:
            await asyncio.wait({self.made})
            if rented.network_id == self.id:
                await self._leave_splices()
            if gsb_url is None:
                raise NodeError("The node's bus is not on this computer.")
            try:
                if rented.network_id == self.id:
                    await self._make()
                if first not in self._splices:
                    self._splices[first] = await RejoinedNetwork.open(gsb_url, old_network=first, new_network=self.id)
                self._names[rented.provider_id] = remote_end(rented.provider_id, first)
                away = self._network.add_node(self._names[rented.provider_id], rented.ip)
                await wait_for(away, REST_SECONDS)
            except (TimeoutError, ApiException, NetworkError, OSError) as error:
                what = sentence(f"The node did not make the private network again: {clean_line(str(error))}")
                raise NodeError(what) from error
        return replace(rented, network_id=self.id, first_network_id=first)

    async def _leave_splices(self) -> None:
        splices, self._splices = self._splices, {}
        for splice in splices.values():
            await splice.aclose()

    async def aclose(self) -> None:
        """Cancel what is going on. The network stays at the node, and is removed from the journal's entry."""
        await cancel_all(*filter(None, (self.made, self._telling)))
        await self._leave_splices()
