"""How a session's Lab is reached from this side: an address that stays while providers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.access.ways import WaysIn
from golem_launcher.session.lab import LabClient

if TYPE_CHECKING:
    from golem_launcher.node.node import Node
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session.package import Rented


class Reach:
    """The ways into wherever the session is at present, and the Lab's token."""

    def __init__(self, directory: SessionDirectory, request: LaunchRequest, token: str) -> None:
        self.token = token
        self._ways = WaysIn(
            directory.path,
            request.name,
            secret=token,
            ssh_key=request.ssh_key,
            own_scripts=request.image is not None,
        )

    @property
    def address(self) -> str:
        """The Lab's origin on this side; known once the reach is open."""
        return self._ways.address

    @property
    def base_url(self) -> str:
        """The path below which the Lab answers: ``/`` but behind a hub."""
        return self._ways.base_url

    def allow_hub(self) -> int:
        """Let the hub's server show the Lab, which the user has agreed to; at which port. Raises ``AccessError``."""
        return self._ways.allow_hub()

    async def open(self) -> None:
        """Listen. Raises ``AccessError``."""
        await self._ways.start()

    async def aclose(self) -> None:
        """End the listeners and every connection."""
        await self._ways.aclose()

    def point_at(self, node: Node, rented: Rented) -> None:
        """From now on, connections lead to this provider."""
        network = f"{node.api_url.replace('http', 'ws', 1)}/net-api/v1/net/{rented.network_id}"
        self._ways.lead_to(network, rented.ip, node.app_key)

    def point_nowhere(self) -> None:
        """From now on, connections are closed at once."""
        self._ways.lead_nowhere()

    def agent_settings(self) -> dict[str, Any]:
        """What the agent of the next provider is told about being reached."""
        return {"token": self.token, **self._ways.agent_settings()}

    def lab(self) -> LabClient:
        """A new client of the Lab."""
        return LabClient(self._ways.lab, self.token)
