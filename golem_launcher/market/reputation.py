"""Scores of providers from Golem's reputation service, where it is reachable and knows the network.

Scores are a help, no condition: without them our own history decides.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ServiceError
from golem_launcher.market import golem_web_services
from golem_launcher.untrusted_json import number

if TYPE_CHECKING:
    from golem_launcher.networks import Network

_LOG = logging.getLogger(__name__)

_UPTIME_SHARE = 1.0
_SUCCESS_SHARE = 0.5


async def scores(network: Network) -> dict[str, float]:
    """The scores of providers, 0 to 1, by id; empty when nobody can say. Never raises, at most a few seconds."""
    if not network.settles:
        return {}
    query = {"network": network.payment_network}
    try:
        return read_scores(await golem_web_services.ask(golem_web_services.REPUTATION, "/v2/providers/scores", query))
    except ServiceError as error:
        _LOG.warning("%s", error)
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
    return min(max(number(value) or 0.0, 0.0), 1.0)
