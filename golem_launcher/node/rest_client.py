"""The client of yagna's REST API: :class:`NodeRest` for asyncio, :class:`BlockingRest` for threads.

Both send the same requests and read the answers alike. The exceptions are for the user: :class:`NodeUnreachable` when
no answer comes or the key is refused (no call to that node can do better), :class:`NodeRefused` when the node says no
to this one call. The blocking one imports no aiohttp, a quarter of a second that a command which asks one question
should not pay.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlencode, urlsplit

from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import NodeRefused, NodeUnreachable
from golem_launcher.untrusted_text import clean_line, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from typing import Self

    import aiohttp

    from golem_launcher.node.node import Node

ANSWER_SECONDS = 10.0
"""What a call may take unless its maker says more."""
LONG_POLL = 50.0
"""Seconds that yagna may hold a request for events; its own limit is 60."""

_LARGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_REASON = 300
_VARIABLES = frozenset({"YAGNA_API_URL", "YAGNA_APPKEY"})
_NAMED = "Start it, or unset YAGNA_API_URL and YAGNA_APPKEY so that the launcher starts one of its own. "
"""What helps where the environment names the node: nobody else has set those variables."""


class NodeRest:
    """Calls to one node over an HTTP session of the caller's; ``open`` makes one that ends with its ``async with``.

    A ``timeout`` among the query's parameters is how long the node may hold the request; it comes on top of
    ``seconds``. Every call raises ``NodeUnreachable`` and ``NodeRefused``.
    """

    def __init__(self, node: Node, http: aiohttp.ClientSession, *, seconds: float = ANSWER_SECONDS) -> None:
        """``seconds``: how long a call may take that says nothing else."""
        self._node = node
        self._http = http
        self._seconds = seconds

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, node: Node, *, seconds: float = ANSWER_SECONDS) -> AsyncIterator[Self]:
        """Calls to ``node`` over an HTTP session of their own."""
        import aiohttp  # noqa: PLC0415 - see above

        async with aiohttp.ClientSession() as http:
            yield cls(node, http, seconds=seconds)

    def follow(self, node: Node) -> None:
        """From now on, ask the node at its new address."""
        self._node = node

    async def get(self, path: str, *, seconds: float | None = None, **query: Any) -> Any:
        """The JSON value at a path."""
        return await self._call("GET", path, None, seconds, query)

    async def post(self, path: str, body: Any = None, *, seconds: float | None = None, **query: Any) -> Any:
        """Send a JSON value; the one that comes back, ``None`` for none."""
        return await self._call("POST", path, json.dumps(body), seconds, query)

    async def put(self, path: str, body: Any, *, seconds: float | None = None) -> Any:
        """Replace what is at a path; the JSON value that comes back."""
        return await self._call("PUT", path, json.dumps(body), seconds, {})

    async def delete(self, path: str, *, seconds: float | None = None) -> None:
        """Delete what is at a path."""
        await self._call("DELETE", path, None, seconds, {})

    async def websocket(self, path: str, **options: Any) -> Any:
        """A websocket at a path, with ``options`` of aiohttp's, whose type differs between its versions."""
        import aiohttp  # noqa: PLC0415 - see above

        node = self._node
        try:
            return await self._http.ws_connect(node.api_url.rstrip("/") + path, headers=_headers(node), **options)
        except aiohttp.WSServerHandshakeError as error:
            raise refused(node.api_url, f"a websocket at {path}", error.status, error.message) from None
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise silent(node.api_url, error) from None

    async def events(self, path: str, *, timeout: float = LONG_POLL, **query: Any) -> list[Any]:
        """The events of a long poll: as soon as there is one, none after ``timeout`` seconds."""
        found = await self.get(path, timeout=timeout, **query)
        return found if isinstance(found, list) else []

    async def _call(
        self, method: str, path: str, data: str | None, seconds: float | None, query: dict[str, Any]
    ) -> Any:
        import aiohttp  # noqa: PLC0415 - see above

        node = self._node
        held = float(query.get("timeout", 0))
        try:
            async with self._http.request(
                method,
                node.api_url.rstrip("/") + path,
                data=data,
                params={name: str(value) for name, value in query.items()},
                headers=_headers(node),
                timeout=aiohttp.ClientTimeout(total=held + (self._seconds if seconds is None else seconds)),
            ) as response:
                status, body = response.status, await response.read()
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise silent(node.api_url, error) from None
        return understood(node.api_url, f"{method} {path}", status, body)


@dataclass(frozen=True)
class RestAnswer:
    """What came back from the node, unread."""

    status: int
    body: bytes
    date: str | None
    """The node's clock, as its ``Date`` header has it."""


class BlockingRest:
    """Calls to one node from a thread of its own; ``seconds`` bounds each wait for bytes."""

    def __init__(self, node: Node, *, seconds: float = 15.0) -> None:
        self._node = node
        self._seconds = seconds

    def get(self, path: str, **query: Any) -> Any:
        """The JSON value at a path. Raises ``NodeUnreachable`` and ``NodeRefused``."""
        return self._call("GET", path + (f"?{urlencode(query)}" if query else ""), None)

    def delete(self, path: str) -> None:
        """Delete what is at a path. Raises ``NodeUnreachable`` and ``NodeRefused``."""
        self._call("DELETE", path, None)

    def service(self, name: str, payload: Any) -> Any:
        """What a service on the node's bus (``local/payment/GetStatus``, say) answers.

        yagna passes on what the service says, a Rust ``Result``. What its command line shows about payments and
        identities comes from there. Raises ``NodeUnreachable``, and ``NodeRefused`` with the service's own words.
        """
        value = self._call("POST", f"/_gsb/{name}", json.dumps(payload))
        if isinstance(value, dict) and "Ok" in value:
            return value["Ok"]
        while isinstance(value, dict) and value:  # the innermost words of an error
            value = next(iter(value.values()))
        raise NodeRefused(sentence(clean_line(str(value), longest=_LONGEST_REASON)))

    def answer(self, method: str, path: str, data: str | None = None, *, most: int = _LARGEST_ANSWER) -> RestAnswer:
        """What comes back, whatever it is. Raises ``OSError`` or ``http.client.HTTPException`` when nothing does."""
        address = split_url(self._node.api_url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=self._seconds)
        try:
            connection.request(method, address.path.rstrip("/") + path, data, _headers(self._node))
            with connection.getresponse() as response:
                return RestAnswer(response.status, response.read(most), response.getheader("Date"))
        finally:
            connection.close()

    def _call(self, method: str, path: str, data: str | None) -> Any:
        try:
            answer = self.answer(method, path, data)
        except (OSError, http.client.HTTPException) as error:
            raise silent(self._node.api_url, error) from error
        return understood(self._node.api_url, f"{method} {path}", answer.status, answer.body)


def _headers(node: Node) -> dict[str, str]:
    return {"Authorization": f"Bearer {node.app_key}", "Content-Type": "application/json"}


def timestamp(moment: datetime) -> str:
    """A moment as yagna's API has it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def split_url(api_url: str) -> SplitResult:
    """The parts of a node's address; ``NodeUnreachable`` when it is no http address."""
    try:
        address = urlsplit(api_url)
        if address.scheme in {"http", "https"} and address.hostname and address.port != 0:
            return address
    except ValueError:
        pass
    raise NodeUnreachable(
        f"The node's address {clean_line(api_url, longest=200)!r} is no http address.",
        "Set YAGNA_API_URL to something like http://127.0.0.1:7465",
    )


def understood(api_url: str, call: str, status: int, body: bytes) -> Any:
    """What an answer says: its JSON value, or the exception that it means."""
    if status >= HTTPStatus.BAD_REQUEST:
        raise refused(api_url, call, status, _answer(body))
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        raise NodeRefused(f"The node answered {call} with something that is no JSON.", status=status) from None


def refused(api_url: str, call: str, status: int, answer: Any) -> NodeUnreachable | NodeRefused:
    """The error for a call that the node refused with this ``answer``."""
    if status == HTTPStatus.UNAUTHORIZED:
        return key_refused(api_url)
    details = answer if isinstance(answer, dict) else {}
    return NodeRefused(f"The node refused {call}: {_reason(answer)} ({status}).", status=status, details=details)


def key_refused(api_url: str) -> NodeUnreachable:
    """The error for a key that the node does not know."""
    return NodeUnreachable(
        f"The node at {api_url} refuses the app-key.",
        "Set YAGNA_APPKEY to a key that it lists (yagna app-key list).",
    )


def silent(api_url: str, error: Exception) -> NodeUnreachable:
    """The error for an address at which no node answers."""
    return NodeUnreachable(
        f"The node at {api_url} does not answer: {silence_reason(error)}.",
        f"{_NAMED if _VARIABLES & os.environ.keys() else ''}See `golem-launcher doctor`.",
    )


def _answer(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body[:_LONGEST_REASON].decode(errors="replace")


def _reason(answer: Any) -> str:
    if isinstance(answer, dict):
        answer = answer.get("message") or answer.get("detail") or answer.get("title") or answer
    return clean_line(str(answer), longest=_LONGEST_REASON)
