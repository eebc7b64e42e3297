"""The background process of a local network: router, providers, image registry, and two supervised yagnas.

Started by ``network.up`` as ``python -m golem_launcher.localnet.network_process DIRECTORY``. It reads ``spec.json`` of
that directory, tells how it is in ``state.json``, and ends, with everything it started, on SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher import files
from golem_launcher.errors import BusError, LauncherError, LocalNetError, NodeError
from golem_launcher.localnet import daemons
from golem_launcher.localnet.accounts import ProviderAccount, ensure_accounts, open_payments
from golem_launcher.localnet.chain import driver
from golem_launcher.localnet.chain.running_chain import RunningChain
from golem_launcher.localnet.exe_units import Units, Workshop
from golem_launcher.localnet.images import Images
from golem_launcher.localnet.provider import Provider
from golem_launcher.localnet.registry import Registry
from golem_launcher.localnet.router import Router
from golem_launcher.localnet.spec import NetworkSpec, capped
from golem_launcher.localnet.state import STATE_FILE
from golem_launcher.node.gsb import GsbClient
from golem_launcher.node.node import Node
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.node.rest_client import NodeRest
from golem_launcher.processes import ProcessRecord
from golem_launcher.waiting import together, wait_for

if TYPE_CHECKING:
    from golem_launcher.localnet.chain.token import Chain
    from golem_launcher.node import yagna_process, yagna_start

_log = logging.getLogger(__name__)

_ANSWER_SECONDS = 30.0
_RETRY_SECONDS = 0.5
_START_SECONDS = 30.0
_OFFER_SECONDS = 15.0
_MORE_SECONDS = 3.0
"""For each provider: one daemon does all that they ask at once, on a machine that may be busy."""


class NetworkProcess:
    """A local network at work."""

    def __init__(self, directory: Path, spec: NetworkSpec) -> None:
        self._directory = directory
        providers, words = zip(*map(capped, spec.provider), strict=True)
        self._spec = spec.model_copy(update={"provider": providers})
        self._capped = list(filter(None, words))
        for less in self._capped:
            _log.info("%s", less)
        self._record = ProcessRecord.of(os.getpid())
        self._stage = "starting"
        self._router = Router()
        self._chain = RunningChain(directory, spec.chain, gift=spec.chain_gift) if spec.chain else None
        self._runtime = ""
        """Which one its providers have, in words."""
        self._dirty = asyncio.Event()
        self._images = Images(spec.images, directory / "images", changed=self._dirty.set)
        self._registry = Registry(self._images)
        self._daemons: dict[str, yagna_process.YagnaProcess] = {}
        self._providers: list[Provider] = []

    async def run(self) -> None:
        """Start everything, say so, and keep it up until cancelled."""
        writing = asyncio.create_task(self._write_states())
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait({writing, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, working):
                task.cancel()
            endings = await asyncio.gather(writing, working, return_exceptions=True)
            # A daemon without its router does not listen to SIGTERM: the router goes last.
            await asyncio.to_thread(daemons.stop_all, self._directory)
            if self._chain is not None:
                await asyncio.to_thread(self._chain.stop)
            await self._registry.aclose()
            await self._router.aclose()
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending

    async def _work(self) -> None:
        await asyncio.to_thread(self._images.prune)
        await self._router.start()
        chain = await asyncio.to_thread(self._chain.start) if self._chain is not None else None
        requestor, provider = (
            daemons.config(self._directory, role, router_port=self._router.port, chain=chain)
            for role in (daemons.REQUESTOR, daemons.PROVIDER)
        )
        workshop, *_ = await asyncio.gather(
            asyncio.to_thread(Workshop.open, self._directory, self._spec),
            self._registry.start(),
            self._start(provider),  # the first: it has the more to do
            self._start(requestor),
        )
        self._runtime = workshop.reason
        _log.info("%s", workshop.reason)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await self._listen(session)
            await self._keep(session, requestor, provider, workshop, chain)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        """Have the requestor's node hear the offers when they are published, not at its first demand."""
        daemon = self._daemons[daemons.REQUESTOR]
        try:
            await YagnaRest(daemon.node, session).listen_to_offers()
        except NodeError as error:  # the first demand then waits for the next broadcast
            _log.warning("%s", error)

    def state(self) -> dict[str, Any]:
        """What ``state.json`` says of this network, for whoever looks for it or shows it."""
        return {
            "stage": self._stage,
            "server": self._record.to_json(),
            "spec": self._spec.digest(),
            "capped": self._capped,
            "subnet": self._spec.subnet,
            "payment_network": self._payment_networks[0],
            "chain": self._chain.state() if self._chain is not None else None,
            "router_port": self._router.port,
            "registry_url": self._registry.url,
            "runtime": self._runtime,
            "replaced_images": list(self._images.replaced),
            "daemons": {
                role: {**daemon.record.to_json(), "api_url": daemon.api_url, "gsb_url": daemon.gsb_url}
                for role, daemon in self._daemons.items()
            },
            "providers": [provider.status() for provider in self._providers],
        }

    @property
    def _payment_networks(self) -> tuple[str, ...]:
        return self._spec.payment_networks if self._chain is None else (driver.NETWORK,)

    async def _start(self, wanted: yagna_start.YagnaConfig) -> None:
        self._daemons[wanted.data_dir.name] = await daemons.start(wanted, deadline=self._patience(_START_SECONDS))

    def _patience(self, seconds: float) -> float:
        return seconds + _MORE_SECONDS * len(self._spec.provider)

    async def _restart(self, config: yagna_start.YagnaConfig) -> None:
        role = config.data_dir.name
        _log.info("the %s's node ended; it is started again", role)
        self._daemons.pop(role)
        self._dirty.set()
        await self._start(config)
        self._dirty.set()

    async def _keep(
        self,
        session: aiohttp.ClientSession,
        requestor: yagna_start.YagnaConfig,
        provider: yagna_start.YagnaConfig,
        workshop: Workshop,
        chain: Chain | None,
    ) -> None:
        kept_running = [self._keep_requestor(requestor, chain), self._keep_providers(session, provider, workshop)]
        if self._chain is not None:
            kept_running.append(self._chain.keep())
        await together(*kept_running)

    async def _keep_requestor(self, config: yagna_start.YagnaConfig, chain: Chain | None) -> None:
        while True:
            daemon = self._daemons[daemons.REQUESTOR]
            try:
                async with await GsbClient.connect(daemon.gsb_url) as bus:
                    own = [info["nodeId"] for info in await bus.call("/local/identity/List", {}) if info["isDefault"]]
                    await open_payments(bus, own, self._payment_networks, sends=True)
            except BusError as error:
                if not await self._lives(daemon, error):
                    await self._restart(config)
                continue
            if self._chain is not None and chain is not None:
                await asyncio.to_thread(self._chain.welcome, chain, own[0])
            await daemons.gone(daemon.record)
            await self._restart(config)

    async def _keep_providers(
        self, session: aiohttp.ClientSession, config: yagna_start.YagnaConfig, workshop: Workshop
    ) -> None:
        while True:
            daemon = self._daemons[daemons.PROVIDER]
            try:
                async with await GsbClient.connect(daemon.gsb_url) as bus:
                    accounts, new = await ensure_accounts(bus, len(self._spec.provider))
                    if not new:
                        await open_payments(bus, (a.node_id for a in accounts), self._payment_networks)
                        await self._provide(session, workshop, bus, daemon, accounts)
                    else:
                        await asyncio.to_thread(daemon.stop)  # new identities reach the network at its next start
            except BusError as error:
                if await self._lives(daemon, error):
                    continue
            if daemon.record.alive():
                # One of the two stood still for so long that the other gave up on it: everything of it begins anew.
                _log.warning("the providers are started again: they lost their node")
            else:
                await self._restart(config)

    async def _lives(self, daemon: yagna_process.YagnaProcess, error: BusError) -> bool:
        """Whether a daemon that failed is there all the same, to be asked again in a moment.

        One that stood still takes some seconds until all of its services are on its bus again.
        """
        if not daemon.record.alive():
            return False
        _log.warning("%s", error)
        await asyncio.sleep(_RETRY_SECONDS)
        return daemon.record.alive()

    async def _provide(
        self,
        session: aiohttp.ClientSession,
        workshop: Workshop,
        bus: GsbClient,
        daemon: yagna_process.YagnaProcess,
        accounts: list[ProviderAccount],
    ) -> None:
        """Run the providers until their daemon ends, or ends its connection to them."""
        units = Units(workshop, self._images, bus, self._router)
        self._providers = [
            Provider(
                spec=spec,
                network=self._spec,
                node_id=account.node_id,
                rest=NodeRest(Node(daemon.api_url, account.app_key), session, seconds=self._patience(_ANSWER_SECONDS)),
                units=units.make,
                changed=self._dirty.set,
            )
            for spec, account in zip(self._spec.provider, accounts, strict=True)
        ]
        tasks = [asyncio.create_task(provider.run()) for provider in self._providers]
        ended = asyncio.create_task(daemons.gone(daemon.record))
        lost = asyncio.create_task(bus.closed.wait())
        try:
            offered = asyncio.gather(*(provider.offered.wait() for provider in self._providers))
            try:
                await wait_for(offered, self._patience(_OFFER_SECONDS))
            except TimeoutError:
                if self._stage != "ready":
                    raise LocalNetError("The providers' offers did not reach the market.", "Try again.") from None
                _log.warning("the providers' offers did not reach the market")
                return
            self._stage = "ready"
            self._dirty.set()
            await asyncio.wait({ended, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, ended, lost):
                task.cancel()
            await asyncio.gather(*tasks, ended, lost, return_exceptions=True)

    async def _write_states(self) -> None:
        while True:
            await asyncio.to_thread(files.write_json, self._directory / STATE_FILE, self.state())
            await self._dirty.wait()
            self._dirty.clear()


async def _main(directory: Path) -> int:
    spec = NetworkSpec.model_validate(files.read_json(directory / "spec.json"))
    server = NetworkProcess(directory, spec)
    running = asyncio.create_task(server.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        with contextlib.suppress(FileNotFoundError):
            (directory / STATE_FILE).unlink()
    except LauncherError as error:
        return _failed(directory, server, error.what, error.remedy)
    except OSError as error:
        what = f"The local network can't use {error.filename or directory}: {error.strerror or error!r}."
        return _failed(directory, server, what, "Make room on the disk or mend what is named, then try again.")
    return 0


def _failed(directory: Path, server: NetworkProcess, what: str, remedy: str) -> int:
    _log.error("%s %s", what, remedy)
    with contextlib.suppress(OSError):  # whoever waits for us finds the line above in the log
        files.write_json(directory / STATE_FILE, {**server.state(), "stage": "failed", "what": what, "remedy": remedy})
    return 1


def main() -> None:
    """Run the network of the directory that is the first argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(asyncio.run(_main(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
