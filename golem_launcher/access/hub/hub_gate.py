"""The gate: a session's JupyterLab as the server of a user on a hub, by a port that the hub's proxy leads to.

The session was started by the hub's spawner, which has written down in the session's directory what the gate needs.
Everybody reaches the port: who the hub says may come in does, and what the hub gave the browser, its cookies and
tokens, stays on this side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.access.hub.hub_login import HubLogin
from golem_launcher.access.lab.lab_frontend import LabFrontend
from golem_launcher.access.lab.open_documents import key
from golem_launcher.access.link.link import Link
from golem_launcher.access.link.proxied_servers import elsewhere
from golem_launcher.access.link.reverse_proxy import Upstream
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.access.sockets.listener import Listener, bind

if TYPE_CHECKING:
    import asyncio

    from golem_launcher.access.hub.hub_settings import HubSettings
    from golem_launcher.access.lab.lab_proxy_settings import RemoteLab


class HubGate:
    """A port for the hub's proxy. ``start`` once, ``aclose`` once."""

    def __init__(self, settings: HubSettings, lab: RemoteLab) -> None:
        """``lab``: shown at the hub's path, and told the session's token for whoever comes in.

        The provider's extensions are never shown on an origin that this server shares with the hub's own pages, or with
        other servers. Raises ``AccessError`` if no port can be had.
        """
        self.base_url = settings.prefix
        self._login = HubLogin(settings)
        shown, token = lab.extensions and settings.own_origin, lab.secret
        policy = OriginPolicy(frozenset(), token, settings.prefix, extensions=shown, token=token, behind_hub=True)
        front = LabFrontend(settings.prefix, extensions=shown, compress=True, key=key(token), left_out=lab.left_out)
        self._link = Link(
            Upstream(policy, lab.dial, front, lab.attend, elsewhere, lab.use, lab.large, admit=self._login.admit)
        )
        self._listener = Listener(bind(settings.host, 0), self._serve)

    async def start(self) -> None:
        """Begin to listen."""
        await self._listener.start()

    async def aclose(self) -> None:
        """Stop listening."""
        await self._listener.aclose()
        await self._login.aclose()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._link.serve(reader, writer)
