"""A session's Lab shown under a hub's own address, after the user has agreed to that.

JupyterHub and Binder show one address to the browser: that of the user's server there, on which the launcher runs.
jupyter-server-proxy joins ``<prefix>proxy/absolute/<port>/`` of it with a port beside the server, and a Lab that is
told this path at its start can be opened there. It then shares its origin with the launcher and everything else on
that server: a stranger's page could use them in the user's name. So the port refuses everybody until the user allows
it for this session. The other way, ``golem-launcher tunnel`` on the user's own computer, shares nothing.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from golem_launcher.access import origin_policy
from golem_launcher.access.lab.lab_frontend import LabFrontend
from golem_launcher.access.lab.open_documents import key
from golem_launcher.access.link.link import Link
from golem_launcher.access.link.proxied_servers import elsewhere
from golem_launcher.access.link.reverse_proxy import Upstream
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.errors import AccessError
from golem_launcher.socket_owner import is_ours

if TYPE_CHECKING:
    import asyncio

    from golem_launcher.access.lab.lab_proxy_settings import RemoteLab

PREFIX_VARIABLE = "JUPYTERHUB_SERVICE_PREFIX"
_PREFIX = re.compile(r"/((?!\.{1,2}/)[A-Za-z0-9._~@-]+/)*")
_LOOPBACK = "127.0.0.1"  # where jupyter-server-proxy looks
_NOT_YET = "The launcher's page asks you first whether this session may be shown here."


def prefix() -> str | None:
    """The path of the user's server on its hub, ``None`` where this is no hub's server."""
    found = os.environ.get(PREFIX_VARIABLE, "")
    return found if _PREFIX.fullmatch(found) else None


class HubPort:
    """A port for the hub's server alone, closed until :attr:`allowed`. Started before: the Lab must know it."""

    def __init__(self, hub_prefix: str, lab: RemoteLab) -> None:
        """``lab``: shown at a path of this port's own. Raises ``AccessError`` if no port can be had."""
        self._prefix = hub_prefix
        self._lab = lab
        self._listener = Listener(bind(_LOOPBACK, 0), self._serve)
        self.allowed = False

    async def start(self) -> None:
        """Begin to listen."""
        await self._listener.start()

    async def aclose(self) -> None:
        """Stop listening."""
        await self._listener.aclose()

    @property
    def port(self) -> int:
        """The port that it listens on, beside the hub's server."""
        return self._listener.port

    @property
    def base_url(self) -> str:
        """The path at which the hub's server forwards to this port; JupyterLab answers below it."""
        return f"{self._prefix}proxy/absolute/{self.port}/"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_ours(writer):
            raise AccessError("Another user's program.")
        if not self.allowed:
            body = origin_policy.html_page("Not yet", f"<p>{_NOT_YET}</p>")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            return
        lab = self._lab
        policy = OriginPolicy(frozenset(), lab.secret, self.base_url, extensions=lab.extensions, behind_hub=True)
        front = LabFrontend(
            self.base_url, extensions=lab.extensions, compress=True, key=key(lab.secret), left_out=lab.left_out
        )
        upstream = Upstream(policy, lab.dial, front, lab.attend, elsewhere, lab.use, lab.large)
        await Link(upstream).serve(reader, writer)
