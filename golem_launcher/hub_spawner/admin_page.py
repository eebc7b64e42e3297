"""A page of the hub for its administrators: who spent what this month, which servers run, and what ends one.

It is a service of the hub, in a process that the hub starts (``c.JupyterHub.services = [service("polygon")]``). The hub
says who comes in: administrators, and whoever has the scope ``access:services!service=golem``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado import httpserver, web

from golem_launcher import own_modules, paths
from golem_launcher.errors import LauncherError
from golem_launcher.hub_spawner import overview
from golem_launcher.hub_spawner.overview_html import page
from golem_launcher.networks import DEFAULT

_LOG = logging.getLogger(__name__)
_STYLE = Path(__file__).with_suffix(".css")
_ASKED = "ended"
_LARGEST = 64 * 1024
_LOOK_SECONDS = 0.5
_PREDECESSOR_SECONDS = 10.0
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def service(network: str = DEFAULT, *, port: int = 10801) -> dict[str, Any]:
    """What the hub's configuration says of it; called there, in the hub's own process.

    ``network``: whose coin is counted; ``port``: a free one at 127.0.0.1.
    """
    return {
        "name": "golem",
        "url": f"http://127.0.0.1:{port}",
        "command": own_modules.command("golem_launcher.hub_spawner.admin_page", network, str(os.getpid())),
        "environment": paths.variables(),
        "oauth_no_confirm": True,
    }


class _Handler(HubOAuthenticated, web.RequestHandler):
    """What is answered to who may come in."""

    def initialize(self, network: str, prefix: str) -> None:
        self.network = network
        self.prefix = prefix

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")


class _Page(_Handler):
    @web.authenticated
    async def get(self) -> None:
        try:
            found = await asyncio.to_thread(overview.read, self.network)
        except LauncherError as error:
            raise web.HTTPError(500, reason="Something can't be read", log_message=str(error)) from None
        told = self.get_query_argument(_ASKED, "")
        self.write(
            page(
                found,
                prefix=self.prefix,
                hub=self.hub_auth.hub_host + self.hub_auth.hub_prefix,
                xsrf=self.xsrf_token.decode(),
                told=f"{told} saves all, and ends." if told in {one.state.name for one in found.servers} else "",
            )
        )


class _End(_Handler):
    @web.authenticated
    async def post(self) -> None:
        user, name = self.get_body_argument("user"), self.get_body_argument("server")
        try:
            await asyncio.to_thread(overview.end, user, name)
        except LauncherError as error:
            raise web.HTTPError(409, reason="It does not run any more", log_message=str(error)) from None
        _LOG.warning("%s ended the server %s of %s", self.current_user["name"], name, user)
        self.redirect(f"{self.prefix}?{urlencode({_ASKED: name})}", status=303)


class _Style(web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/css")
        self.write(_STYLE.read_bytes())


async def _serve(network: str, hub: int) -> None:
    """Serve while the process ``hub`` is there: one that comes after it starts another, with a token of its own."""
    prefix, address = os.environ["JUPYTERHUB_SERVICE_PREFIX"], urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    known = {"network": network, "prefix": prefix}
    pages: list[Any] = [
        (prefix, _Page, known),
        (f"{prefix}end", _End, known),
        (f"{prefix}page.css", _Style),
        (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
    ]
    application = web.Application(pages, cookie_secret=secrets.token_bytes(32), xsrf_cookies=True)
    await _listen(httpserver.HTTPServer(application, max_body_size=_LARGEST), address.hostname or "", address.port or 0)
    while os.getppid() == hub:  # noqa: ASYNC110 - another process
        await asyncio.sleep(_LOOK_SECONDS)


async def _listen(server: httpserver.HTTPServer, host: str, port: int) -> None:
    """Listen, also while the service of a hub that was killed is about to end. Raises ``OSError``."""
    end = time.monotonic() + _PREDECESSOR_SECONDS
    while True:
        try:
            server.listen(port, host)
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
