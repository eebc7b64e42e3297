"""The client for internet services other than nodes: the registry of images, the reputation service.

Each answer is one JSON value, bounded in size and in the time that it may take. What goes wrong is a
:class:`~golem_launcher.errors.ServiceError` in words. The faucet is not here: the node asks it.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher.errors import ServiceError
from golem_launcher.node.clock_check import ahead_of
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_REDIRECTS = 3
_LONGEST_REASON = 200


@dataclass(frozen=True)
class WebService:
    """One internet service: what messages call it, its address, and how long and how large an answer may be."""

    name: str
    url: str
    variable: str
    """The environment variable that names another one of the same form."""
    remedy: str
    """What to do while it does not answer."""
    seconds: float
    largest: int
    """Bytes of an answer."""

    @property
    def address(self) -> str:
        """Where it is asked, without a slash at its end."""
        return os.environ.get(self.variable, self.url).rstrip("/")


REGISTRY = WebService(
    name="Golem's registry of images",
    url="https://registry.golem.network",
    variable="GOLEM_LAUNCHER_REGISTRY_URL",
    remedy="Look at your internet connection, and try again in a minute.",
    seconds=10.0,
    largest=64 * 1024,
)
REPUTATION = WebService(
    name="Golem's reputation service",
    url="https://reputation.golem.network",
    variable="GOLEM_LAUNCHER_REPUTATION_URL",
    remedy="Providers are judged without it.",
    seconds=4.0,
    largest=8 * 1024 * 1024,
)


async def ask(service: WebService, path: str, query: Mapping[str, str], *, address: str | None = None) -> Any:
    """The JSON value at a path of a service; ``address`` instead of the service's own.

    Raises ``ServiceError``; its ``status`` is the HTTP status when there was an answer, else 0.
    """
    import aiohttp  # noqa: PLC0415 - a quarter of a second that other commands should not pay

    base = (address or service.address).rstrip("/")
    timeout = aiohttp.ClientTimeout(total=service.seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(base + path, params=query, max_redirects=_MOST_REDIRECTS) as answer,
        ):
            status, body = answer.status, await _read(answer.content, service.largest + 1)
    except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
        raise _failed(service, base, _why_silent(error)) from None
    if len(body) > service.largest:
        raise _failed(service, base, "its answer is too large", status)
    if status != HTTPStatus.OK:
        raise _failed(service, base, f"it says {status}", status)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _failed(service, base, "its answer is no JSON", status) from None


async def clock_ahead(service: WebService) -> float | None:
    """How many seconds this computer's clock is ahead of a service's; ``None`` when it does not say the time.

    Raises ``ServiceError`` when there is no answer; a clock that is far off may be the very reason.
    """
    import aiohttp  # noqa: PLC0415 - likewise

    timeout = aiohttp.ClientTimeout(total=service.seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(service.address, allow_redirects=False) as answer,
        ):
            return ahead_of(answer.headers.get("Date"))
    except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
        raise _failed(service, service.address, _why_silent(error)) from None


def _why_silent(error: Exception) -> str:
    late = isinstance(error, TimeoutError | asyncio.TimeoutError)
    return "no answer in time" if late else str(error) or type(error).__name__


async def _read(content: Any, most: int) -> bytes:
    """At most so many bytes, whatever the length that was announced."""
    parts, size = [], 0
    async for part in content.iter_chunked(64 * 1024):
        parts.append(part)
        size += len(part)
        if size >= most:
            break
    return b"".join(parts)


def _failed(service: WebService, address: str, why: str, status: int = 0) -> ServiceError:
    host = urlsplit(address).netloc or address
    reason = clean_line(why, longest=_LONGEST_REASON)
    return ServiceError(f"{service.name} ({host}) does not answer: {reason}.", service.remedy, status=status)
