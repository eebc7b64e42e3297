"""A Jupyter server extension for hubs: the far end of ``golem-launcher tunnel https://hub/user/…/ --session N``.

Behind the server's own login, which its token passes:

    GET <base>/golem-launcher/ways/<session>           {"token", "base_url", "endpoints", "lab_extensions"} of it
    GET <base>/golem-launcher/ways/<session>/carrier   a websocket of carrier records, one connection each

Records, because a websocket through a hub's proxies has no end for one direction alone, and no bound for what waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.utils import url_path_join
from tornado import web, websocket

from golem_launcher.access.sockets.port_socket import open_port, port_socket_path
from golem_launcher.agent.tcp_carrier_protocol import CarrierError
from golem_launcher.agent.tcp_carrier_server import answer
from golem_launcher.errors import AccessError, SessionNotFound
from golem_launcher.session.on_disk.directory import session_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from golem_launcher.session.on_disk.directory import SessionDirectory

_NAME = r"([a-z0-9][a-z0-9-]{0,39})"
_NOT_FOUND = 404


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "golem_launcher.ui.server.hub_tunnel"}]


def _load_jupyter_server_extension(server: Any) -> None:
    prefix = url_path_join(server.web_app.settings["base_url"], "golem-launcher", "ways", _NAME)
    server.web_app.add_handlers(".*$", [(prefix, AboutHandler), (f"{prefix}/carrier", CarrierHandler)])


def _reachable(name: str) -> SessionDirectory:
    try:
        directory = session_directory(name)
        if directory.state().started_at is None or directory.token() is None:
            raise web.HTTPError(_NOT_FOUND)
    except SessionNotFound:
        raise web.HTTPError(_NOT_FOUND) from None
    return directory


class AboutHandler(APIHandler):
    """What a tunnel must know of a session."""

    auth_resource = "golem-launcher"

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Answer what a hub asks of a session: one JSON object."""
        directory = await asyncio.to_thread(_reachable, name)
        workload = await asyncio.to_thread(directory.workload)
        await self.finish(
            {
                "token": directory.token(),
                "base_url": directory.base_url(),
                "endpoints": [dataclasses.asdict(endpoint) for endpoint in workload.endpoints],
                "lab_extensions": await asyncio.to_thread(directory.lab_extensions),
            }
        )


class CarrierHandler(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):
    """One connection to a port of a session's provider."""

    auth_resource = "golem-launcher"
    _carrying: asyncio.Task[None] | None = None

    def set_default_headers(self) -> None:
        """None: it is no page."""

    def get_compression_options(self) -> None:
        """None: what is worth it is compressed already."""

    @ws_authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Answer a tunnel's websocket: check who asks, then upgrade."""
        self._directory = await asyncio.to_thread(_reachable, name)
        self._came: asyncio.Queue[bytes | None] = asyncio.Queue()
        await super().get(name)

    def open(self, *_: Any, **__: Any) -> None:
        """Called by tornado when the websocket stands: begin to carry."""
        super().open()
        self._carrying = asyncio.create_task(self._carry())

    def on_message(self, message: str | bytes) -> None:
        """Some records: the carrier's window bounds how many can wait."""
        self._came.put_nowait(message if isinstance(message, bytes) else None)

    def on_close(self) -> None:
        """The other side has left."""
        super().on_close()
        self._came.put_nowait(None)

    async def _carry(self) -> None:
        async def send(data: bytes) -> None:
            try:
                await self.write_message(data, binary=True)
            except websocket.WebSocketClosedError:
                raise ConnectionResetError("the tunnel has left") from None

        path = port_socket_path(self._directory.path)

        async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            try:
                return await open_port(path, port)
            except AccessError as error:
                raise ConnectionRefusedError(error.what) from None

        try:
            with contextlib.suppress(CarrierError, OSError, asyncio.TimeoutError):
                await answer(self._messages(), send, dial)
        finally:
            self.close()

    async def _messages(self) -> AsyncIterator[bytes]:
        while (message := await self._came.get()) is not None:
            yield message
