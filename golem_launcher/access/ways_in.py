"""All ways into one session, as its supervisor keeps them open: the link, the port socket, and ssh."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher.access.hub import hub_proxy, hub_settings
from golem_launcher.access.hub.hub_gate import HubGate
from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.lab.large_files import LargeFiles
from golem_launcher.access.lab.open_documents import PORT
from golem_launcher.access.lab.uploads import ActiveUploads
from golem_launcher.access.last_use import LastUse
from golem_launcher.access.link.link import listen, listen_for_server, listen_for_user
from golem_launcher.access.link.proxied_servers import ProxiedServers
from golem_launcher.access.link.reverse_proxy import Upstream
from golem_launcher.access.machine.agent_ports import AGENT_PORT
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.access.sockets.port_socket import PortSocket, port_socket_path
from golem_launcher.errors import AccessError
from golem_launcher.workload.base import FIRST_PORT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from golem_launcher.access.hub.hub_proxy import HubPort
    from golem_launcher.access.lab.lab_proxy_settings import LabView
    from golem_launcher.access.machine.vpn_to_machine import MachineVpn
    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.access.sockets.listener import Listener
    from golem_launcher.agent.tcp_carrier import Sink, Source
    from golem_launcher.workload.base import Workload

_AGAIN_SECONDS = 0.1
_GATEWAY = b"gateway"
_ENTRY_DIGITS = 32


class WaysIn:
    """The ways into a session with this ``directory``. ``start`` once, then ``open_link`` once, ``aclose`` once.

    ``secret`` is the session's token; ``machines`` has them by number: the first, the head, is what the link opens.
    ``host`` is the loopback address that is the session's own.
    """

    def __init__(
        self,
        directory: Path,
        workload: Workload,
        machines: Mapping[int, MachineVpn],
        lab: LabView,
        *,
        secret: str,
        host: str,
    ) -> None:
        self._workload = workload
        self._lab = lab
        self._large = self._large_files()
        self.use = LastUse()
        """When the session was last used by them."""
        self._directory = directory
        self.machines = machines
        self._head = machines[1].carriers
        self._secret = secret
        self._host = host
        self._pages = ProxiedServers(host, self._head.dial, token=secret, lab_port=FIRST_PORT, use=self.use)
        self._link: Listener | None = None
        self._hub: HubPort | None = None
        self._gate: HubGate | None = None
        self._gateway: Listener | None = None
        self._port_socket: PortSocket | None = None
        self._opening = asyncio.Lock()
        self._resources = contextlib.AsyncExitStack()

    @property
    def address(self) -> str | None:
        """The link's origin: ``http://127.x.y.z:port``; ``None`` while there is nothing for a browser."""
        return self._link.address if self._link is not None else None

    @property
    def base_url(self) -> str:
        """The path below which the workload answers."""
        at_hub = self._gate or self._hub
        return at_hub.base_url if at_hub is not None else "/"

    @property
    def gate_port(self) -> int | None:
        """The port by which the proxy of a hub leads here, where one started the session."""
        return self._gate.port if self._gate is not None else None

    def allow_hub(self) -> int:
        """Let the hub's server show JupyterLab on its own origin, as the user wants; at which port.

        Raises ``AccessError`` where there is no hub, or another workload.
        """
        self._require_lab()
        if self._hub is None:
            raise AccessError("This session does not run on a hub's server.", "Open its link.")
        self._hub.allowed = True
        return self._hub.port

    async def gateway(self) -> str:
        """An address of JupyterLab for programs of the user, at which they need no token; the same each time.

        Many clients of kernels have no way to show one to a websocket, but all of them keep to a path. Raises
        ``AccessError``.
        """
        port = self._require_lab()
        entry = f"/{hmac.new(self._secret.encode(), _GATEWAY, hashlib.sha256).hexdigest()[:_ENTRY_DIGITS]}/"

        def upstream(origin: str) -> Upstream:
            policy = OriginPolicy(
                frozenset({origin}), f"{self._secret}:", self.base_url, token=self._secret, entry=entry
            )
            return Upstream(policy, functools.partial(self._dial, port), use=self.use, large=self._large)

        async with self._opening:
            if self._gateway is None:
                self._gateway = await listen_for_user(self._host, upstream)
                self._resources.push_async_callback(self._gateway.aclose)
        return self._gateway.address + entry.rstrip("/") + self.base_url.rstrip("/")

    async def start(self) -> None:
        """Listen, but for the link. Raises ``AccessError``."""
        for machine in self.machines.values():
            await self._resources.enter_async_context(machine)
        self._resources.push_async_callback(self._lab.documents.aclose)
        self._resources.push_async_callback(self._pages.aclose)
        endpoint = self._workload.link
        if endpoint is not None and endpoint.is_lab:
            await self._open_at_hub(functools.partial(self._dial, endpoint.port))
        self._port_socket = PortSocket(port_socket_path(self._directory), self._carry)
        await self._port_socket.start()
        self._resources.push_async_callback(self._port_socket.aclose)

    async def open_link(self, port: int) -> None:
        """Let browsers in at a ``port``, 0 for a free one; once, when the workload answers. Raises ``AccessError``."""
        endpoint = self._workload.link
        if endpoint is None:
            return
        dial = functools.partial(self._dial, endpoint.port)
        if endpoint.is_lab:
            lab = replace(self._remote_lab(dial), base_url=self.base_url, lead=self._pages.lead)
            self._link = await listen(self._host, port, lab, shared=True)  # with who is there while it is suspended
        else:
            who = self._workload.title
            self._link = await listen_for_server(self._host, endpoint.port, dial, secret=self._secret, who=who)
        self._resources.push_async_callback(self._link.aclose)

    async def _open_at_hub(self, dial: Callable[[], Awaitable[Stream]]) -> None:
        """What a hub shows of JupyterLab. Raises ``AccessError``."""
        started_by, hub_prefix = hub_settings.read(self._directory), hub_proxy.prefix()
        if started_by is not None:
            self._gate = HubGate(started_by, self._remote_lab(dial))
            await self._gate.start()
            self._resources.push_async_callback(self._gate.aclose)
        elif hub_prefix is not None:
            self._hub = hub_proxy.HubPort(
                hub_prefix, replace(self._remote_lab(dial), extensions=self._lab.hub_extensions)
            )
            await self._hub.start()
            self._resources.push_async_callback(self._hub.aclose)

    def _remote_lab(self, dial: Callable[[], Awaitable[Stream]]) -> RemoteLab:
        """What all show that lead to JupyterLab."""
        return RemoteLab(
            dial,
            self._secret,
            extensions=self._lab.extensions,
            left_out=self._lab.left_out,
            attend=self._lab.documents.dial,
            use=self.use,
            large=self._large,
        )

    def _large_files(self) -> LargeFiles | None:
        """How they go between browsers and JupyterLab, past the tunnel."""
        files = self._lab.files
        if files is None:
            return None
        dial = functools.partial(self._dial, AGENT_PORT)
        return LargeFiles(functools.partial(files.connect, dial), ActiveUploads(files.begin_upload))

    def _require_lab(self) -> int:
        """The port of JupyterLab over there. Raises ``AccessError`` where another workload runs."""
        endpoint = self._workload.link
        if endpoint is None or not endpoint.is_lab:
            raise AccessError(f"{self._workload.title} is no JupyterLab.", "Use golem-launcher tunnel.")
        return endpoint.port

    async def renew(self) -> None:
        """Make the port socket again where somebody removed it, if it was there. Raises ``OSError``."""
        if self._port_socket is not None:
            await self._port_socket.renew()

    async def _carry(self, machine: int, port: int, reader: Source, writer: Sink) -> None:
        """What comes in by the port socket, to a port of a machine or, a page of another link's, to us."""
        if machine not in self.machines:
            raise AccessError(f"There is no machine {machine}.")
        if port == PORT and machine == 1:
            await self._lab.documents.attend(DuplexStream(reader, writer, lambda: None))
        elif port == FIRST_PORT and self._workload.link is not None:  # its Jupyter knows what is done there
            await self.machines[machine].carriers.carry(port, reader, writer)
        else:
            await self.machines[machine].carriers.carry(port, self.use.source(reader), self.use.sink(writer))

    async def _dial(self, port: int) -> Stream:
        """A connection to a ``port`` of the head, at whichever provider answers next: who waits sets the limit."""
        while True:
            with contextlib.suppress(AccessError):
                return await self._head.dial(port)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def aclose(self) -> None:
        """End all connections."""
        await self._resources.aclose()
