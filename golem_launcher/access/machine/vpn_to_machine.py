"""The way to one machine of a session through Golem's VPN, whichever provider is rented in its place at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.access.machine.agent_ports import AGENT_PORT, CARRIER_PORT
from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.agent.tcp_carrier_protocol import key
from golem_launcher.errors import AccessError
from golem_launcher.waiting import wait_for
from golem_launcher.workload.base import FIRST_PORT

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_REFUSED_SECONDS = 2.0
"""Who refuses does so at once, a few times in the second that we ask; a connection to a Lab that is being started
waits."""


class MachineVpn:
    """The way to the machine ``number`` of the session ``name`` with this ``directory``. ``async with`` it."""

    def __init__(self, directory: Path, name: str, number: int, *, ssh_key: str | None = None) -> None:
        """``ssh_key``: the user's public one, where there is to be an ssh server."""
        self._directory = directory
        self._name = name
        self._number = number
        self._ssh_key = ssh_key
        self._target: CarrierAddress | None = None
        self.carriers = CarrierClient(lambda: self._target)
        """Carries connections there."""
        self._heard = 0
        """Bytes, when it was last asked whether anybody takes connections."""

    async def __aenter__(self) -> Self:
        await self.carriers.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.carriers.__aexit__()

    def lead_to(self, network: str, ip: str, app_key: str, token: str) -> None:
        """Lead to the provider with this address from now on; connections to another one end.

        ``network`` is its private network's, ``ws://…/net/<id>``; ``token`` the one that its agent was told.
        """
        self._target = CarrierAddress(f"{network}/tcp/{ip}/{CARRIER_PORT}", app_key, key=key(token))
        self.carriers.cut()
        self.carriers.resume()

    def lead_nowhere(self) -> None:
        """End all connections and refuse new ones: the provider was lost or released."""
        self._target = None
        self.carriers.cut()

    def hold(self) -> None:
        """Have users wait, and nobody work there any more; what the launcher itself asks goes on."""
        self.carriers.hold()

    def resume(self) -> None:
        """Let users in again."""
        self.carriers.resume()

    async def refuses(self) -> bool:
        """Whether the machine refuses a new connection and sent nothing by others since this was asked last."""
        heard, self._heard = self._heard, self.carriers.counters.received
        try:
            stream = await wait_for(self.carriers.dial(AGENT_PORT, ahead=True), _REFUSED_SECONDS)
        except AccessError:
            return heard == self.carriers.counters.received
        except TimeoutError:
            return False
        stream.close()
        return False

    def take_pinned(self, other: MachineVpn) -> None:
        """Expect the ssh host key that the provider at the end of the ``other`` way was given, where there is one."""
        if self._ssh_key is not None:
            from golem_launcher.access import ssh  # noqa: PLC0415 - as below

            ssh.known_hosts(other._directory, other._number).replace(ssh.known_hosts(self._directory, self._number))

    def agent_settings(self) -> dict[str, Any]:
        """The ways-in part of the next agent's configuration, with a new ssh host key for each provider."""
        settings: dict[str, Any] = {"port": FIRST_PORT}
        if self._ssh_key is not None:
            from golem_launcher.access import ssh  # noqa: PLC0415 - its cryptography takes a tenth of a second

            host_key = ssh.new_host_key(self._directory, self._name, self._number)
            settings["ssh"] = {"authorized_key": self._ssh_key, "host_key": host_key}
        return settings
