"""Tunnels opened by a command: a local listener, and behind it a session on this computer or on a hub's server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import signal
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import aiohttp

from golem_launcher.access.lab import open_documents
from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.link.link import listen
from golem_launcher.access.link.proxied_servers import ProxiedServers, elsewhere
from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.access.sockets import port_socket
from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError
from golem_launcher.socket_owner import is_ours
from golem_launcher.workload.base import Endpoint

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.agent.tcp_carrier import Sink, Source
    from golem_launcher.workload.base import Workload

_HUB_SECONDS = 20.0
_LARGEST_ABOUT = 16 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,256}")
_BASE_URL = re.compile(r"/((?!\.{1,2}/)[A-Za-z0-9._~@-]+/)*")


class EnterableSession(Protocol):
    """A session of this computer that a tunnel leads to; its directory is one."""

    @property
    def name(self) -> str:
        """The session's name."""

    @property
    def path(self) -> Path:
        """The session's directory."""

    def token(self, machine: int = 1) -> str | None:
        """The token that opens the workload of the machine of that number; ``None`` before there is one."""

    def base_url(self) -> str:
        """The path below which its workload answers."""

    def workload(self) -> Workload:
        """What runs in the session."""

    def lab_extensions(self) -> bool:
        """Whether JupyterLab's front-end extensions of the provider are shown."""


@dataclass(frozen=True)
class RequestedTunnel:
    """What the user asks a tunnel command for."""

    port: int
    """Here."""
    remote_port: int | None = None
    """In the provider; ``None``: an endpoint of the workload's."""
    endpoint: str | None = None
    """Its name; ``None``: the first."""
    listen: str | None = None
    """The address at which other machines may come in; ``None``: nobody else."""


@dataclass(frozen=True)
class Opened:
    """A tunnel that is open: where programs of this computer reach it."""

    address: str
    """``host:port``, or JupyterLab's link with its token."""
    remote_port: int | None
    fingerprint: str = ""
    """Of the certificate, when other machines may come in."""

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints of it."""
        return {
            "address": self.address,
            "url": self.url,
            "remote_port": self.remote_port,
            "fingerprint": self.fingerprint or None,
        }

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return self.address if self.remote_port is None else f"http://{self.address}/"

    def sentence(self, name: str) -> str:
        """What a person reads; terminals make a link of its address."""
        where = f"'{name}'" if self.remote_port is None else f"port {self.remote_port} of '{name}'"
        text = f"{self.url} leads to {where}. End it with Ctrl-C."
        if self.fingerprint:
            text += (
                "\nOTHER MACHINES CAN REACH IT: whoever has this link has your session. The browser will not know the "
                f"certificate; compare its SHA-256 print:\n{self.fingerprint}"
            )
        return text


@dataclass(frozen=True)
class Way:
    """How to reach a session: on this computer through its port socket, on a hub's server by websockets."""

    token: str = field(repr=False)
    base_url: str
    endpoints: tuple[Endpoint, ...]
    """The workload's."""
    lab_extensions: bool
    """Whether JupyterLab's front-end extensions of the provider are shown."""
    dial: Callable[[int], Awaitable[Stream]]
    """A stream to a port of the provider."""
    carry: Callable[[int, Source, Sink], Awaitable[None]]
    """Joins a connection to a port of the provider, to its end."""
    documents: bool = True
    """Whether the supervisor minds what is open in the Lab's pages: it does of the machine whose workspace is saved."""


@contextlib.asynccontextmanager
async def through_port_socket(session: EnterableSession, machine: int = 1) -> AsyncIterator[Way]:
    """The way to a machine of a session of this computer: each connection opens its port socket."""
    path = port_socket.port_socket_path(session.path)
    yield Way(
        session.token(machine) or "",
        session.base_url() if machine == 1 else "/",
        session.workload().endpoints,
        session.lab_extensions(),
        lambda port: port_socket.dial(path, port, machine),
        lambda port, reader, writer: port_socket.carry(path, port, reader, writer, machine),
        documents=machine == 1,
    )


@contextlib.asynccontextmanager
async def through_hub(server: str, name: str, hub_token: str) -> AsyncIterator[Way]:
    """The way to the session ``name`` on a hub's server at ``server``: a websocket for each connection.

    Raises ``AccessError`` when the server does not know it, or us.
    """
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise AccessError("That is no address of a hub's server.", "It looks like https://hub.example.org/user/me/")
    address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/golem-launcher/ways/{quote(name, safe='')}"
    about = await _about(address, hub_token)
    uri = address.replace("http", "ws", 1) + "/carrier"
    async with CarrierClient(lambda: CarrierAddress(uri, hub_token, "token")) as carriers:
        yield Way(**about, dial=carriers.dial, carry=carriers.carry)


async def _about(address: str, hub_token: str) -> dict[str, Any]:
    """What the hub's server tells of a session, as fields of its way."""
    headers = {"Authorization": f"token {hub_token}"}
    timeout = aiohttp.ClientTimeout(total=_HUB_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as client,
            client.get(address, allow_redirects=False) as response,
        ):
            value = json.loads(await response.content.read(_LARGEST_ABOUT)) if response.status == HTTPStatus.OK else {}
            status = response.status
    except (TimeoutError, OSError, ValueError, aiohttp.ClientError) as error:
        raise AccessError(f"The hub's server does not answer: {silence_reason(error)}.", "Is it running?") from None
    if status == HTTPStatus.NOT_FOUND:
        raise AccessError("The hub's server knows no such session, or has no Golem Launcher.", "See its page.")
    token, base_url = str(value.get("token")), str(value.get("base_url"))
    if status != HTTPStatus.OK or not _TOKEN.fullmatch(token) or not _BASE_URL.fullmatch(base_url):
        raise AccessError(
            f"The hub's server does not let us in ({status}).", "Check the token; JUPYTER_TOKEN holds it."
        )
    try:
        endpoints = tuple(Endpoint(**each) for each in value["endpoints"])
    except (KeyError, TypeError, ValueError):
        raise AccessError("The hub's server tells of the session what this launcher does not know.") from None
    extensions = value.get("lab_extensions") is True
    return {"token": token, "base_url": base_url, "endpoints": endpoints, "lab_extensions": extensions}


async def open_until_told(
    way: contextlib.AbstractAsyncContextManager[Way], name: str, asked: RequestedTunnel, ready: Callable[[Opened], None]
) -> None:
    """Open what was ``asked`` for and keep it until SIGINT or SIGTERM; ``ready`` is called once it listens.

    Raises ``AccessError``.
    """
    async with way as entered, contextlib.AsyncExitStack() as stack:
        host = loopback_address(name)
        wanted = asked.remote_port if asked.remote_port is not None else _wanted(entered, asked.endpoint)
        if isinstance(wanted, int) or not wanted.is_lab:
            remote_port = wanted if isinstance(wanted, int) else wanted.port
            if asked.listen is not None:
                raise AccessError(
                    "Only JupyterLab can be opened to other machines: it asks for its token.", "Use ssh for others."
                )
            listener = _to_port(entered, host, asked.port, remote_port)
            await listener.start()
            opened = Opened(f"{host}:{listener.port}", remote_port)
        else:
            tls, fingerprint = (None, "") if asked.listen is None else await asyncio.to_thread(_tls, asked.listen)
            pages = ProxiedServers(host, entered.dial, token=entered.token, lab_port=wanted.port)
            stack.push_async_callback(pages.aclose)
            lab = RemoteLab(
                lambda: entered.dial(wanted.port),
                entered.token,
                base_url=entered.base_url,
                extensions=entered.lab_extensions,
                attend=(lambda: entered.dial(open_documents.PORT)) if entered.documents else None,
                lead=pages.lead if tls is None else elsewhere,
            )
            listener = await listen(asked.listen or host, asked.port, lab, tls=tls)
            opened = Opened(wanted.url(listener.address, entered.base_url, entered.token), None, fingerprint)
        try:
            ready(opened)
            await _until_told()
        finally:
            await listener.aclose()


def _wanted(way: Way, name: str | None) -> Endpoint:
    """The endpoint of this name, the first where none is named. Raises ``AccessError`` where there is none."""
    found = next((each for each in way.endpoints if name is None or each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in way.endpoints)
        raise AccessError(
            f"There is no endpoint '{name}' in this session; there is {names or 'none'}."
            if name
            else "What runs in this session listens nowhere.",
            "Name a port with --remote-port.",
        )
    return found


def _to_port(way: Way, host: str, port: int, remote_port: int) -> Listener:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_ours(writer):  # what listens over there may ask for no password
            raise AccessError("Another user's program.")
        await way.carry(remote_port, reader, writer)

    return Listener(bind(host, port), serve)


def _tls(host: str) -> tuple[ssl.SSLContext, str]:
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    if everywhere:
        raise AccessError(
            f"{host} is every address of this computer.",
            "Name the one by which others shall reach it, like 192.168.1.5.",
        )
    from golem_launcher.access.sockets.tls import server_context  # noqa: PLC0415 - seldom needed, and slow to import

    return server_context(host)


async def _until_told() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
