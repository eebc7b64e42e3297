"""The address of a session's Lab on this side: it stays the same while providers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.access.address import loopback_address
from golem_launcher.access.tunnel import Tunnel, VpnPort
from golem_launcher.session.lab import LabClient

if TYPE_CHECKING:
    from golem_launcher.node.node import Node
    from golem_launcher.session.package import Rented

LAB_PORT = 8888
CARRIER_PORT = LAB_PORT + 1
"""Where the agent takes the tunnel's connections to the Lab."""


class Reach:
    """A tunnel to wherever the session's Lab is at present, and the Lab's token."""

    def __init__(self, name: str, token: str) -> None:
        self.token = token
        self._target: VpnPort | None = None
        self._tunnel = Tunnel(loopback_address(name), 0, lambda: self._target)

    @property
    def address(self) -> str:
        """The Lab's origin on this side; known once the reach is open."""
        return self._tunnel.address

    async def open(self) -> None:
        """Listen. Raises ``AccessError``."""
        await self._tunnel.start()

    async def aclose(self) -> None:
        """End the listener and every connection."""
        await self._tunnel.aclose()

    def point_at(self, node: Node, rented: Rented) -> None:
        """From now on, connections lead to this provider."""
        uri = f"{node.api_url.replace('http', 'ws', 1)}/net-api/v1/net/{rented.network_id}/tcp"
        self._target = VpnPort(f"{uri}/{rented.ip}/{CARRIER_PORT}", node.app_key)

    def point_nowhere(self) -> None:
        """From now on, connections are closed at once."""
        self._target = None

    def lab(self) -> LabClient:
        """A new client of the Lab."""
        return LabClient(self.address, self.token)
