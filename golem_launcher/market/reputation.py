"""What others say of providers: Golem's reputation service, where it is reachable and knows the network.

Scores are a help, no condition: without them our own history decides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.networks import Network

_LOG = logging.getLogger(__name__)

SERVICE = "https://reputation.golem.network"
SERVICE_VARIABLE = "GOLEM_LAUNCHER_REPUTATION_URL"
"""Another service of the same form."""

_SECONDS = 4.0
_LARGEST_ANSWER = 8 * 1024 * 1024
_UPTIME_SHARE = 1.0
_SUCCESS_SHARE = 0.5


async def scores(network: Network) -> dict[str, float]:
    """The scores of providers, 0 to 1, by id; empty when nobody can say. Never raises, at most a few seconds."""
    if network.money == "none":
        return {}
    service = os.environ.get(SERVICE_VARIABLE, SERVICE).rstrip("/")
    try:
        return read_scores(await _fetch(f"{service}/v2/providers/scores?network={network.payment_network}"))
    except (OSError, ValueError, RecursionError, asyncio.TimeoutError) as error:
        _LOG.warning("the reputation service does not answer: %s", error or type(error).__name__)
        return {}


def read_scores(value: Any) -> dict[str, float]:
    """The scores in an answer of the service; what makes no sense in it is left out."""
    listed = value.get("providers") if isinstance(value, dict) else None
    found = {}
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or not isinstance(one.get("providerId"), str):
            continue
        shares = one.get("scores")
        if not isinstance(shares, dict):
            continue
        uptime, success = _share(shares.get("uptime")), _share(shares.get("successRate"))
        score = (_UPTIME_SHARE * uptime + _SUCCESS_SHARE * success) / (_UPTIME_SHARE + _SUCCESS_SHARE)
        found[one["providerId"]] = score
    return found


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return min(max(float(value), 0.0), 1.0)


async def _fetch(url: str) -> Any:
    import aiohttp  # noqa: PLC0415 - a quarter of a second that other commands should not pay

    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
            if answer.status != 200:  # noqa: PLR2004
                raise ValueError(f"{url} says {answer.status}")
            return json.loads(await answer.content.read(_LARGEST_ANSWER))
    except aiohttp.ClientError as error:
        raise OSError(str(error)) from None
