"""Pages of servers inside a session (streamlit, Dask, TensorBoard, …), each in an origin of its own on this side.

In the Lab such a page is at ``/proxy/<port>/``, or at ``/<name>/`` when jupyter-server-proxy starts its server by that
name. A browser that goes there, by a link or in a frame, is sent on to a port of its own at the session's address,
behind which only that server is: what it shows shares no page or storage with the Lab and gets none of its cookies. At
a port it finds itself at the root of its origin, as it would at home; by a name it is asked through the Lab, which
starts it. Such servers ask for no password, so only programs of the user are let in.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import h11

from golem_launcher.access import answers
from golem_launcher.access.conversation import Behind
from golem_launcher.access.link import listen_for_user
from golem_launcher.access.rules import LAB_HOST, Rules
from golem_launcher.access.sides import LONGEST_HEAD, Gone, Side
from golem_launcher.errors import AccessError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.front import Served
    from golem_launcher.access.listener import Listener
    from golem_launcher.access.rules import Headers
    from golem_launcher.access.streams import Stream

_PROXY = re.compile(r"/proxy/(absolute/)?([1-9][0-9]{0,4})(?:(/[^?]*)?(\?.*)?)?", re.DOTALL)
_NAMED = re.compile(r"/([A-Za-z][A-Za-z0-9._~-]{0,79})(?:/([^?]*))?(\?.*)?", re.DOTALL)
_LABS = {"lab", "doc", "tree", "api", "files", "static", "login", "logout", "proxy"}
"""First parts of paths that are the Lab's for certain."""
_LARGEST_PORT = 65535
_MOST = 64
"""Servers that are shown at a time for one session."""
_NAMES_SECONDS = 10.0
_LARGEST_NAMES = 256 * 1024
_OK = 200


@dataclass(frozen=True)
class Wanted:
    """A page that somebody wants to see."""

    server: str
    """The port of the provider, or the name."""
    target: str
    """What the server is asked for."""

    @property
    def port(self) -> int | None:
        """The port of the provider, ``None`` for a server with a name."""
        return int(self.server) if self.server.isdigit() else None


def at_port(inner: str, base_url: str = "/") -> Wanted | None:
    """What ``inner``, a path of the Lab's server with its query, means; ``None`` when it names no port."""
    found = _PROXY.fullmatch(inner)
    if found is None or int(found[2]) > _LARGEST_PORT:
        return None
    absolute, port, path, query = found.groups()
    root = f"{base_url}proxy/absolute/{port}" if absolute else ""
    return Wanted(port, root + (path or "/") + (query or ""))


async def elsewhere(rules: Rules, target: str, headers: Headers) -> Served | None:
    """What a browser is told that wants such a page where there is no other origin to send it to.

    ``None`` when it wants something else.
    """
    found = at_port(rules.inner(target)) if _navigates(headers) else None
    if found is None:
        return None
    command = f"golem-launcher tunnel SESSION --port {found.port} --remote-port {found.port}"
    body = (
        "<p>What a server in the session shows gets an address of its own, which your browser does not reach by this "
        f"one. Run this on the computer that you sit at; it prints a link:</p><p><code>{command}</code></p>"
    )
    return answers.page(404, f"Port {found.port} of the session", body)


class Pages:
    """The pages of one session at ``host``; ``dial`` connects to a port of the provider. ``aclose`` once.

    ``token`` is the Lab's, which listens at ``lab_port``.
    """

    def __init__(self, host: str, dial: Callable[[int], Awaitable[Stream]], *, token: str, lab_port: int) -> None:
        self._host = host
        self._dial = dial
        self._token = token
        self._lab_port = lab_port
        self._listeners: dict[str, Listener] = {}
        self._opening = asyncio.Lock()

    async def lead(self, rules: Rules, target: str, headers: Headers) -> Served | None:
        """Where a browser is sent that goes to such a page of the Lab; ``None`` when it wants something else.

        ``rules`` are the Lab's.
        """
        if not _navigates(headers):
            return None  # what scripts ask for, the Lab answers
        found = at_port(rules.inner(target), rules.base_url) or await self._by_name(rules, target)
        if found is None:
            return None
        names = {value.decode("latin-1").lower() for name, value in headers if name == b"host"}
        if not rules.origins & {f"http://{name}" for name in names}:
            return await elsewhere(rules, target, headers)  # its browser is beyond some forwarded port
        try:
            return answers.moved(await self._open(found, rules) + found.target)
        except AccessError as error:
            return answers.plain(503, str(error))

    async def aclose(self) -> None:
        """Stop listening and end all connections."""
        for listener in self._listeners.values():
            await listener.aclose()

    async def _open(self, found: Wanted, lab: Rules) -> str:
        """The origin at which a server is shown. Raises ``AccessError`` when there are too many."""
        async with self._opening:
            if found.server not in self._listeners:
                if len(self._listeners) >= _MOST:
                    raise AccessError("Pages of too many servers are open.", "Use golem-launcher tunnel for this one.")
                listener = await listen_for_user(self._host, lambda origin: self._behind(found, lab, origin))
                self._listeners[found.server] = listener
        return self._listeners[found.server].address

    def _behind(self, found: Wanted, lab: Rules, origin: str) -> Behind:
        port, secret = found.port, f"{self._token}:{found.server}"
        rules = Rules(frozenset({origin}), secret, extensions=True, framed_by=lab.origins)
        if port is None:
            rules = replace(rules, only=f"{lab.base_url}{found.server}/", token=self._token)
            return Behind(rules, lambda: self._dial(self._lab_port))
        rules = replace(rules, far_host=b"127.0.0.1:%d" % port)
        why = "Is there a program in the session that listens there?"
        return Behind(rules, lambda: self._dial(port), who=f"Port {port} of the session", why_away=why)

    async def _by_name(self, rules: Rules, target: str) -> Wanted | None:
        """The page of a server that jupyter-server-proxy knows by its name, if that is what a browser goes to."""
        found = _NAMED.fullmatch(rules.inner(target))
        if found is None or found[1] in _LABS or found[1] not in await self._names(rules):
            return None
        name, path, query = found.groups()
        return Wanted(name, f"{rules.base_url}{name}/{path or ''}{query or ''}")

    async def _names(self, rules: Rules) -> set[str]:
        """The names of the servers that jupyter-server-proxy knows; none where it is not installed."""
        try:
            told = json.loads(await wait_for(self._ask(f"{rules.base_url}server-proxy/servers-info"), _NAMES_SECONDS))
            return {str(each["name"]) for each in told["server_processes"]}
        except (
            OSError,
            AccessError,
            Gone,
            h11.ProtocolError,
            ValueError,
            LookupError,
            TypeError,
            asyncio.TimeoutError,
        ):
            return set()

    async def _ask(self, target: str) -> bytes:
        """The body of the Lab's answer, empty when it is none. Raises ``OSError``, ``Gone``, h11's errors."""
        lab = Side(h11.Connection(h11.CLIENT, LONGEST_HEAD), await self._dial(self._lab_port))
        try:
            headers = [(b"host", LAB_HOST), (b"authorization", b"token " + self._token.encode())]
            await lab.send(h11.Request(method=b"GET", target=target, headers=headers))
            await lab.send(h11.EndOfMessage())
            body = b""
            if (await lab.head()).status_code == _OK:
                while isinstance(event := await lab.next(), h11.Data) and len(body) < _LARGEST_NAMES:
                    body += event.data
            return body
        finally:
            lab.stream.close()


def _navigates(headers: Headers) -> bool:
    """Whether a browser goes somewhere, by a link or in a frame."""
    return (b"sec-fetch-mode", b"navigate") in headers
