"""Pages of servers inside a session (streamlit, Dask, TensorBoard, …), each under a local origin of its own.

In the Lab such a page is at ``/proxy/<port>/``, or at ``/<name>/`` when jupyter-server-proxy starts its server by that
name. A browser that goes there, by a link or in a frame, is sent on to a port of its own at the session's address,
behind which only that server is: what it shows shares no page or storage with the Lab and gets none of its cookies. At
a port it finds itself at the root of its origin, as it would at home; by a name it is asked through the Lab, which
starts it. Such servers ask for no password: only browsers of the user are let in that the Lab lets in as well, and only
by its own pages or by a link.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import h11

from golem_launcher.access.link.http_connection import LONGEST_HEAD, HttpConnection, NoAnswer, moved, page, plain
from golem_launcher.access.link.link import listen_for_user
from golem_launcher.access.link.reverse_proxy import Upstream
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.agent.whole_number import whole
from golem_launcher.errors import AccessError
from golem_launcher.untrusted_json import json_value
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab.lab_frontend import Served
    from golem_launcher.access.last_use import LastUse
    from golem_launcher.access.origin_policy import Headers
    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.access.sockets.listener import Listener

_PROXY = re.compile(r"/proxy/(absolute/)?([1-9][0-9]{0,4})(?:(/[^?]*)?(\?.*)?)?", re.DOTALL)
_NAMED = re.compile(r"/([A-Za-z][A-Za-z0-9._~-]{0,79})(?:/([^?]*))?(\?.*)?", re.DOTALL)
_LABS = {"lab", "doc", "tree", "api", "files", "static", "login", "logout", "proxy"}
"""First parts of paths that are the Lab's for certain."""
_LARGEST_PORT = 65535
_MOST = 64
"""Servers that are shown at a time for one session; another takes the place of one that nobody is connected to."""
_ASK_SECONDS = 10.0
_LARGEST_ANSWER = 256 * 1024
_OK = 200
_LABS_OWN = "api/status"
"""What the Lab tells to those that it lets in; it is short."""
_NAMES = "server-proxy/servers-info"
_WHO_ASKS = {b"host", b"authorization", b"cookie"}
_NO_ANSWER = (
    OSError,
    AccessError,
    NoAnswer,
    h11.ProtocolError,
    ValueError,
    LookupError,
    TypeError,
    asyncio.TimeoutError,
)


@dataclass(frozen=True)
class Wanted:
    """A page of a server inside the session, as a browser asks the Lab for it."""

    server: str
    """The port of the provider, or the name."""
    target: str
    """What the server is asked for."""

    @property
    def port(self) -> int | None:
        """The port of the provider, ``None`` for a server with a name."""
        return whole(self.server)


def at_port(inner: str, base_url: str = "/") -> Wanted | None:
    """What ``inner``, a path of the Lab's server with its query, means; ``None`` when it names no port."""
    found = _PROXY.fullmatch(inner)
    if found is None or int(found[2]) > _LARGEST_PORT:
        return None
    absolute, port, path, query = found.groups()
    root = f"{base_url}proxy/absolute/{port}" if absolute else ""
    return Wanted(port, root + (path or "/") + (query or ""))


async def elsewhere(policy: OriginPolicy, target: str, headers: Headers) -> Served | None:
    """The answer to a browser that asks for such a page on a hub, which has no other origin to send it to.

    ``None`` when it wants something else.
    """
    found = at_port(policy.inner(target)) if _navigates(headers) else None
    if found is None:
        return None
    command = f"golem-launcher tunnel SESSION --port {found.port} --remote-port {found.port}"
    body = (
        "<p>What a server in the session shows gets an address of its own, which your browser does not reach by this "
        f"one. Run this on the computer that you sit at; it prints a link:</p><p><code>{command}</code></p>"
    )
    return page(404, f"Port {found.port} of the session", body)


class ProxiedServers:
    """The pages of one session at ``host``; ``dial`` connects to a port of the provider. ``aclose`` once.

    ``token`` is the Lab's, which listens at ``lab_port``. ``use`` is told when something is done in such a page.
    """

    def __init__(
        self,
        host: str,
        dial: Callable[[int], Awaitable[Stream]],
        *,
        token: str,
        lab_port: int,
        use: LastUse | None = None,
    ) -> None:
        self._host = host
        self._dial = dial
        self._token = token
        self._lab_port = lab_port
        self._use = use
        self._listeners: dict[str, Listener] = {}
        self._opening = asyncio.Lock()

    async def lead(self, policy: OriginPolicy, target: str, headers: Headers) -> Served | None:
        """The answer that sends a browser on to the origin of such a page; ``None`` when it asks for something else.

        ``policy`` is the Lab's. Called by the link for each request.
        """
        if not _navigates(headers):
            return None  # what scripts ask for, the Lab answers
        found = at_port(policy.inner(target), policy.base_url) or _by_name(policy, target)
        if found is None or not await self._lets_in(found, policy, target, headers):
            return None  # the Lab says it in its own way
        names = {value.decode("latin-1").lower() for name, value in headers if name == b"host"}
        if not policy.origins & {f"http://{name}" for name in names}:
            return await elsewhere(policy, target, headers)  # its browser is beyond some forwarded port
        try:
            return moved(await self._open(found, policy) + found.target)
        except AccessError as error:
            return plain(503, str(error))

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        for listener in self._listeners.values():
            await listener.aclose()

    async def _open(self, found: Wanted, lab: OriginPolicy) -> str:
        """The origin at which a server is shown. Raises ``AccessError`` when there are too many."""
        async with self._opening:
            listener = self._listeners.pop(found.server, None)
            if listener is None:
                await self._make_room()
                listener = await listen_for_user(self._host, lambda origin: self._upstream(found, lab, origin))
            self._listeners[found.server] = listener  # the last of them: it was asked for last
        return listener.address

    async def _make_room(self) -> None:
        """Close the one of too many that was asked for longest ago, of those that nobody is connected to."""
        if len(self._listeners) < _MOST:
            return
        idle = next((server for server, listener in self._listeners.items() if not listener.connections), None)
        if idle is None:
            raise AccessError("Pages of too many servers are open.", "Use golem-launcher tunnel for this one.")
        await self._listeners.pop(idle).aclose()

    def _upstream(self, found: Wanted, lab: OriginPolicy, origin: str) -> Upstream:
        port, secret = found.port, f"{self._token}:{found.server}"
        policy = OriginPolicy(
            frozenset({origin}), secret, extensions=True, framed_by=lab.origins, names_itself=True, browsers_only=True
        )
        if port is None:
            policy = replace(policy, only=f"{lab.base_url}{found.server}/", token=self._token)
            return Upstream(policy, lambda: self._dial_server(self._lab_port))
        policy = replace(policy, remote_host=b"127.0.0.1:%d" % port)
        why = "Is there a program in the session that listens there?"
        return Upstream(policy, lambda: self._dial_server(port), who=f"Port {port} of the session", why_away=why)

    async def _dial_server(self, port: int) -> Stream:
        stream = await self._dial(port)
        return stream if self._use is None else self._use.stream(stream)

    async def _lets_in(self, found: Wanted, policy: OriginPolicy, target: str, headers: Headers) -> bool:
        """Whether the Lab lets in who asks, and knows the server when it has a name.

        Nothing is opened for others: every user of this computer can ask, and so can pages of strangers.
        """
        asked = f"{policy.base_url}{_LABS_OWN if found.port is not None else _NAMES}"
        token = next((part for part in target.partition("?")[2].split("&") if part.startswith("token=")), "")
        try:
            told = await wait_for(self._ask(f"{asked}?{token}".rstrip("?"), policy.request(headers)), _ASK_SECONDS)
            return found.port is not None or found.server in {str(each["name"]) for each in told["server_processes"]}
        except _NO_ANSWER:
            return False

    async def _ask(self, target: str, headers: Headers) -> Any:
        """The Lab's answer, JSON, to who asks with these headers. Raises one of ``_NO_ANSWER``."""
        lab = HttpConnection(h11.Connection(h11.CLIENT, LONGEST_HEAD), await self._dial(self._lab_port))
        try:
            shown = [(name, value) for name, value in headers if name in _WHO_ASKS]
            await lab.send(h11.Request(method=b"GET", target=target, headers=shown))
            await lab.send(h11.EndOfMessage())
            if (await lab.head()).status_code != _OK:
                raise AccessError("The Lab does not let in who asks.")
            body = b""
            while isinstance(event := await lab.next(), h11.Data) and len(body) < _LARGEST_ANSWER:
                body += event.data
            return json_value(body)
        finally:
            lab.stream.close()


def _by_name(policy: OriginPolicy, target: str) -> Wanted | None:
    """The page of a server that jupyter-server-proxy may know by its name, if that is what a browser goes to."""
    found = _NAMED.fullmatch(policy.inner(target))
    if found is None or found[1] in _LABS:
        return None
    name, path, query = found.groups()
    return Wanted(name, f"{policy.base_url}{name}/{path or ''}{query or ''}")


def _navigates(headers: Headers) -> bool:
    """Whether a browser goes somewhere, by a link or in a frame."""
    return (b"sec-fetch-mode", b"navigate") in headers
