"""The provider's side of yagna's REST API, as little of it as a provider needs."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from typing import Any

import aiohttp

from golem_launcher.errors import LocalNetError

LONG_POLL = 50.0
"""Seconds that yagna may hold a request for events (its limit is 60)."""

_ANSWER_SECONDS = 30.0
_LARGEST_MESSAGE = 300


class RestError(LocalNetError):
    """yagna refused a request; ``status`` is the HTTP status, 0 when it gave no answer at all."""

    def __init__(self, what: str, *, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class Rest:
    """REST calls to one yagna with one app-key."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, app_key: str) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {app_key}"}

    async def get(self, path: str, **parameters: Any) -> Any:
        """GET a JSON value."""
        return await self._request("GET", path, parameters, None)

    async def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        """POST a JSON value and return the one that comes back (``None`` for none)."""
        return await self._request("POST", path, parameters, body)

    async def delete(self, path: str) -> None:
        """DELETE a resource."""
        await self._request("DELETE", path, {}, None)

    async def events(self, path: str, **parameters: Any) -> list[Any]:
        """Events of a long poll: as soon as there is one, at the latest after ``LONG_POLL`` seconds none."""
        events = await self._request("GET", path, {"timeout": LONG_POLL, **parameters}, None)
        return events if isinstance(events, list) else []

    async def _request(self, method: str, path: str, parameters: dict[str, Any], body: Any) -> Any:
        timeout = float(parameters.get("timeout", 0)) + _ANSWER_SECONDS
        try:
            async with self._session.request(
                method,
                self._api_url + path,
                params={name: str(value) for name, value in parameters.items()},
                data=None if method != "POST" else json.dumps(body),
                headers={**self._headers, "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                text = await response.text()
                if response.status >= 400:  # noqa: PLR2004 - HTTP's own border
                    raise RestError(
                        f"yagna refused {method} {path}: {response.status} {text[:_LARGEST_MESSAGE]}",
                        status=response.status,
                    )
                return json.loads(text) if text else None
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            raise RestError(f"yagna did not answer {method} {path}: {error!r}") from None


def timestamp(moment: datetime) -> str:
    """A moment as yagna's API wants it."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
