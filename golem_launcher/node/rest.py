"""One call of yagna's REST API: how long it may take, and what its answer means.

What every client of ours shares. The exceptions are for the user: :class:`NodeUnreachable` when no answer comes or the
key is refused (no call to that node can do better), :class:`NodeRefused` when the node says no to this one call.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeRefused, NodeUnreachable
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

ANSWER_SECONDS = 10.0
"""What a call may take unless its maker says more."""

_LONGEST_REASON = 300


class NodeRest:
    """Calls to the node at ``api_url`` with its key, over the caller's own HTTP session."""

    def __init__(self, http: aiohttp.ClientSession, api_url: str, app_key: str) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {app_key}", "Content-Type": "application/json"}

    async def call(
        self,
        method: str,
        path: str,
        *,
        data: str | None = None,
        query: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Any:
        """The JSON value of the answer, ``None`` when it is empty. ``data`` is the JSON text to send.

        Raises ``NodeUnreachable`` and ``NodeRefused``.
        """
        import aiohttp  # noqa: PLC0415 - a quarter of a second that who only probes a node should not pay

        try:
            async with self._http.request(
                method,
                self._api_url + path,
                data=data,
                params=query,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                status, body = response.status, await response.read()
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise silent(self._api_url, error) from None
        return understood(self._api_url, f"{method} {path}", status, body)


def understood(api_url: str, call: str, status: int, body: bytes) -> Any:
    """What an answer says: its JSON value, or the exception that it means."""
    if status == HTTPStatus.UNAUTHORIZED:
        raise key_refused(api_url)
    if status >= HTTPStatus.BAD_REQUEST:
        answer = _answer(body)
        details = answer if isinstance(answer, dict) else {}
        raise NodeRefused(f"The node refused {call}: {_reason(answer)} ({status}).", status=status, details=details)
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        raise NodeRefused(f"The node answered {call} with something that is no JSON.", status=status) from None


def key_refused(api_url: str) -> NodeUnreachable:
    """The node does not know the key."""
    return NodeUnreachable(
        f"The node at {api_url} refuses the app-key.",
        "Set YAGNA_APPKEY to a key that it lists (yagna app-key list).",
    )


def silent(api_url: str, error: Exception) -> NodeUnreachable:
    """Nobody answers at the address."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        reason = "no answer in time"
    return NodeUnreachable(
        f"The node at {api_url} does not answer: {clean_line(reason, longest=200)}.",
        "Start it, or unset YAGNA_API_URL and YAGNA_APPKEY so that the launcher starts one of its own."
        " See `golem-launcher doctor`.",
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
