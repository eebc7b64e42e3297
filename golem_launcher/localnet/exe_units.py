"""Makes the exe-units of a local network, with their runtimes, bus addresses, VPN endpoints and transfers."""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.localnet.exeunit.assignment import Assignment
from golem_launcher.localnet.exeunit.exe_unit import ExeUnit
from golem_launcher.localnet.exeunit.transfer import Transfers
from golem_launcher.localnet.exeunit.transfer_schemes import Gftp, Http
from golem_launcher.localnet.misbehaviour import NO_GPU
from golem_launcher.localnet.runtime import base_layer
from golem_launcher.localnet.runtime.internet import Internet
from golem_launcher.localnet.runtime.nvidia_smi import PretendedGpu
from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace, family_of
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime
from golem_launcher.localnet.runtime.supported_runtime import choose_runtime
from golem_launcher.localnet.slow_calls import SlowCalls
from golem_launcher.localnet.vpn_endpoints import endpoint_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from golem_launcher.localnet.agreement import Terms
    from golem_launcher.localnet.exeunit.transfer import Scheme
    from golem_launcher.localnet.images import Images
    from golem_launcher.localnet.router import Router
    from golem_launcher.localnet.runtime.runtime_interface import Runtime
    from golem_launcher.localnet.spec import NetworkSpec, ProviderSpec
    from golem_launcher.node.gsb import GsbClient, Handler
    from golem_launcher.outbound import OutboundRules

_PUBLIC = "/public/"
_GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Workshop:
    """What all exe-units share: chosen and built once, when the network starts."""

    directory: Path
    """Has a private directory for every activity."""
    base: base_layer.BaseEnvironment
    make_runtime: Callable[[ActivityPlace], Runtime]
    family: str
    """What the marks of all activities' processes begin with."""
    reason: str
    """Which runtime is used and why, and how its programs reach the internet."""
    internet: Internet | None
    """What programs of a sandbox may reach outside, when a manifest asks for it; ``None`` for nothing."""
    dns: bool = True
    """Whether names can be looked up here."""
    like_9p: bool = True
    """Whether the host volumes of a sandbox refuse what they refuse in Golem's VM."""
    end_seconds: float = 0.0
    """How long the end of a runtime takes at the least."""

    @classmethod
    def open(cls, directory: Path, spec: NetworkSpec) -> Workshop:
        """Choose the runtime and build the base of the private environments; forget what a dead network left.

        Blocking. ``LocalNetError`` when this machine can't run the preferred one.
        """
        activities = directory / "activities"
        shutil.rmtree(activities, ignore_errors=True)
        factory, reason = choose_runtime(spec.runtime)
        # Where there are no mounts, paths of the private directories take the place of container paths in scripts.
        plain = paths.plain_path(paths.private_directory(activities))
        reason = f"{reason} {_about_internet(factory, internet=spec.internet)}"
        made = base_layer.build(directory / "base")
        return cls(
            plain, made, factory, family_of(directory), reason, Internet() if spec.internet else None,
            dns=spec.dns, like_9p=spec.volumes == "9p", end_seconds=spec.terminate_seconds,
        )  # fmt: skip


def _about_internet(factory: Callable[[ActivityPlace], Runtime], *, internet: bool) -> str:
    if factory is not SandboxRuntime:
        return "Internet: as this machine has it."
    return "Internet: what manifests ask for, public addresses only." if internet else "Internet: none."


class ProviderBus:
    """The bus as one provider sees it.

    What is registered is served for its daemon, and on the router too: calls from other nodes then skip the daemon.
    """

    def __init__(self, daemon: GsbClient, router: Router, node_id: str) -> None:
        self._daemon = daemon
        self._router = router
        self._node_id = node_id

    async def call(self, address: str, payload: Any, *, caller: str = "", timeout: float = 30.0) -> Any:
        """Call a service of the daemon."""
        return await self._daemon.call(address, payload, caller=caller, timeout=timeout)

    async def register(self, prefix: str, handler: Handler) -> None:
        """Offer a service; :class:`BusCallError` when the address is taken."""
        await self._daemon.register(prefix, handler)
        try:
            self._router.attach(self._on_router(prefix), handler)
        except BaseException:
            await self._daemon.unregister(prefix)
            raise

    async def unregister(self, prefix: str) -> None:
        """Take the service off the provider's bus. Raises ``BusError``."""
        self._router.detach(self._on_router(prefix))
        await self._daemon.unregister(prefix)

    # The provider's place in VPNs (a switch of exe-units)

    async def attach(self, network_id: str, handler: Handler) -> None:
        """Have the frames and control calls of a VPN come to ``handler``."""
        self._router.attach(self._vpn(network_id), handler)

    async def detach(self, network_id: str) -> None:
        """Undo :meth:`attach`."""
        self._router.detach(self._vpn(network_id))

    def send(self, node_id: str, network_id: str, frame: bytes) -> None:
        """Send a frame to a node; never waits, a full way loses it."""
        self._router.post(f"/net/{node_id}/vpn/{network_id}/raw", frame, caller=self._node_id)

    def _vpn(self, network_id: str) -> str:
        return self._on_router(f"{_PUBLIC}vpn/{network_id}")

    def _on_router(self, prefix: str) -> str:
        return f"/net/{self._node_id}/{prefix.removeprefix(_PUBLIC)}"


@dataclass
class Units:
    """Makes exe-units while one life of the providers' daemon lasts."""

    workshop: Workshop
    images: Images
    daemon: GsbClient
    router: Router
    _buses: dict[str, ProviderBus] = field(default_factory=dict)

    async def make(self, provider: ProviderSpec, node_id: str, activity_id: str, terms: Terms) -> ExeUnit:
        """Make and start the exe-unit of an activity; :class:`BusError` when the daemon is gone."""
        way = SlowCalls(self.router, delay=provider.misbehaviour.delay_frames, rate=provider.misbehaviour.transfer_rate)
        schemes: dict[str, Scheme] = {"http": Http(), "https": Http(), "gftp": Gftp(way, node_id)}
        bus = self._buses.setdefault(node_id, ProviderBus(self.daemon, self.router, node_id))
        assignment = Assignment(
            activity_id=activity_id,
            requestor_id=terms.requestor_id,
            directory=self.workshop.directory / activity_id,
            image=functools.partial(self.images.get, terms.task_package, schemes),
            counters=[name for name, _ in provider.prices],
            rates={counter.name: counter.per_second for counter in provider.counters},
            script=terms.script,
            end_seconds=self.workshop.end_seconds,
            misbehaviour=provider.misbehaviour,
        )

        unit = ExeUnit(
            assignment,
            bus=bus,
            switch=bus,
            make_runtime=lambda directory, identifier: self._runtime(provider, directory, identifier, terms.outbound),
            make_endpoint=endpoint_maker(provider.misbehaviour),
            transfers=Transfers(schemes),
        )
        await unit.start()
        if terms.looks_up_names and not self.workshop.dns:
            await unit.aclose()  # as Golem's exe-unit does where names can't be looked up
        return unit

    def _runtime(
        self, provider: ProviderSpec, directory: Path, activity_id: str, asked: OutboundRules | None
    ) -> Runtime:
        shop = self.workshop
        out = asked is not None and asked.anything  # as on Golem: without a manifest there is no way out
        internet = shop.internet if out else None
        destinations = None if asked is None or asked.unrestricted else asked.destinations
        place = ActivityPlace(
            directory, shop.base, activity_id, shop.family, internet=internet, destinations=destinations,
            memory_bytes=int(provider.memory_gib * _GIBIBYTE), like_9p=shop.like_9p,
            passes_environment=provider.passes_environment, gpus=_pretended(provider),
        )  # fmt: skip
        runtime = shop.make_runtime(place)
        return CommandTable(runtime, provider.commands) if provider.commands else runtime


def _pretended(provider: ProviderSpec) -> tuple[PretendedGpu, ...] | None:
    """The GPUs that its sessions find, which need not be those of its offer."""
    gpu, other = provider.gpu, provider.misbehaviour.other_gpu
    if gpu is None:
        return None
    if other == NO_GPU:
        return ()
    return (PretendedGpu(other or gpu.model, gpu.memory_gib, gpu.compute_capability),) * gpu.count


class CommandTable:
    """A runtime whose commands are those of a table, as a provider with a runtime of its own has them.

    A command is a shell script; ``$1`` and so on are the arguments. What is not in the table runs as it is.
    """

    def __init__(self, runtime: Runtime, commands: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._commands = commands

    def __getattr__(self, name: str) -> Any:
        """Everything else is the runtime's."""
        return getattr(self._runtime, name)

    async def run(
        self, argv: Sequence[str], *, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """Run a command of the table, or another one."""
        script = self._commands.get(argv[0]) if argv else None
        if script is not None:
            argv = ["/bin/sh", "-c", script, *argv]
        return await self._runtime.run(argv, on_stdout=on_stdout, on_stderr=on_stderr)
