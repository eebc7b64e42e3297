"""The provider's side of yagna's REST API, as little of it as a provider needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from golem_launcher.node.rest import NodeRest

LONG_POLL = 50.0
"""Seconds that yagna may hold a request for events (its limit is 60)."""

_ANSWER_SECONDS = 30.0


class Rest(NodeRest):
    """REST calls to one yagna with one app-key. All raise :class:`~golem_launcher.errors.NodeError`."""

    async def get(self, path: str, **parameters: Any) -> Any:
        """GET a JSON value."""
        return await self._ask("GET", path, parameters)

    async def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        """POST a JSON value and return the one that comes back (``None`` for none)."""
        return await self._ask("POST", path, parameters, json.dumps(body))

    async def delete(self, path: str) -> None:
        """DELETE a resource."""
        await self._ask("DELETE", path, {})

    async def events(self, path: str, **parameters: Any) -> list[Any]:
        """Events of a long poll: as soon as there is one, at the latest after ``LONG_POLL`` seconds none."""
        events = await self._ask("GET", path, {"timeout": LONG_POLL, **parameters})
        return events if isinstance(events, list) else []

    async def _ask(self, method: str, path: str, parameters: dict[str, Any], data: str | None = None) -> Any:
        seconds = float(parameters.get("timeout", 0)) + _ANSWER_SECONDS
        query = {name: str(value) for name, value in parameters.items()}
        return await self.call(method, path, data=data, query=query, seconds=seconds)


def timestamp(moment: datetime) -> str:
    """A moment as yagna's API wants it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
