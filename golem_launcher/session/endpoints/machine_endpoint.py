"""How one machine of a session is reached from this side: its workload, its agent, whichever provider it is at."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from golem_launcher.access.machine.agent_ports import AGENT_PORT
from golem_launcher.access.machine.workload_client import WorkloadClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.machine.tcp_carrier_client import Traffic
    from golem_launcher.access.machine.vpn_to_machine import MachineVpn
    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.node.node import Node
    from golem_launcher.rental.activity_spec import Rented
    from golem_launcher.workload.base import Workload

_TOKEN_BYTES = 24


class MachineEndpoint:
    """One machine, as its session's supervisor reaches it. Of use once the session listens."""

    def __init__(
        self,
        workload: Workload,
        way: Callable[[], MachineVpn],
        base_url: Callable[[], str],
        *,
        session_token: str | None = None,
        stands_by: bool = False,
    ) -> None:
        """``way`` leads to it, and ``base_url`` is the path below which it answers; asked when they are needed.

        ``session_token`` is what the link to the head carries, wherever that is: pages that are open go on with it.
        ``stands_by``: it may become the head later on, and is told that token only then.
        """
        self.token = secrets.token_hex(_TOKEN_BYTES)
        """What the present provider's agent wants to see. No other provider knows it, before or after."""
        self._session_token = session_token
        self._workload = workload
        self._way = way
        self._base_url = base_url
        self._stands_by = stands_by

    def point_at(self, node: Node, rented: Rented) -> None:
        """Lead all connections to this provider from now on. Called once its agent runs."""
        network = f"{node.api_url.replace('http', 'ws', 1)}/net-api/v1/net/{rented.network_id}"
        self._way().lead_to(network, rented.ip, node.app_key, self.token)

    def point_nowhere(self) -> None:
        """Close all connections, and each new one at once, as the provider was lost or is being let go."""
        self._way().lead_nowhere()

    def hold(self) -> None:
        """Have users wait, as nothing that they do there now would be saved; our own questions go on."""
        self._way().hold()

    def resume(self) -> None:
        """Let users in again."""
        self._way().resume()

    def take_over(self, other: MachineEndpoint, node: Node, rented: Rented) -> None:
        """Lead to the machine from now on that was made ready at the ``other`` endpoint."""
        self.token = other.token
        self._way().take_pinned(other._way())
        self.point_at(node, rented)

    @property
    def endpoint_token(self) -> str:
        """What the workload's endpoint wants to see (JupyterLab's token), and links to it carry."""
        return self._session_token or self.token

    def begin_anew(self) -> dict[str, Any]:
        """Make what the next provider is to know and no other; what its agent is told about being reached.

        Called for each activity, before :meth:`point_at`.
        """
        self.token = secrets.token_hex(_TOKEN_BYTES)
        known = {"token": self.token, "endpoint_token": self.endpoint_token, "base_url": self._base_url()}
        return {**known, "stands_by": self._stands_by, **self._way().agent_settings()}

    def opens_to(self, session_token: str) -> None:
        """Its JupyterLab was told the session's token, and lets in who has that and nobody else from now on."""
        self._session_token = session_token

    @property
    def carried(self) -> Traffic:
        """What went through the tunnel so far, whoever was its provider."""
        return self._way().carriers.counters

    def client(self) -> WorkloadClient:
        """A new HTTP client of the workload and its agent; ``async with`` it."""
        return WorkloadClient(
            self._workload, self._dial, self.token, endpoint_token=self.endpoint_token, base_url=self._base_url()
        )

    async def dial_agent(self) -> Stream:
        """A new stream to the agent's own server. Raises ``AccessError`` while there is no provider."""
        return await self._dial(AGENT_PORT)

    async def refuses(self) -> bool:
        """Whether nobody in the provider takes connections any more, and nothing comes by those that there were."""
        return await self._way().refuses()

    async def _dial(self, port: int) -> Stream:
        """A stream that goes ahead of those of browsers, however many of them wait to be connected."""
        return await self._way().carriers.dial(port, ahead=True)
