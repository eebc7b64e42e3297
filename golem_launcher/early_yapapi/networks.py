"""Maps payment drivers, networks and subnets that were shut down to their successors, and says so once for each.

Money that a program meant for tests is never real: neither its own words nor this environment lead from a test network
to one on which GLM is paid.
"""

from __future__ import annotations

import logging
import os
import re

_TEST_NETWORKS = {"hoodi", "sepolia", "amoy", "holesky"}
_RETIRED_NETWORKS = {"rinkeby", "goerli", "mumbai"}
_RETIRED_DRIVERS = {"zksync", "ngnt"}
_TEST = "hoodi"
_RETIRED_SUBNET = re.compile(r"(community|demo|goth|devnet(-[a-z]+)?|public-beta)([.-]\d+)?")

_logger = logging.getLogger(__name__)
_told: set[str] = set()


def driver_of(named: str | None) -> str | None:
    """The payment driver for one that a program names."""
    if named is None or named.lower() not in _RETIRED_DRIVERS:
        return named
    return _instead("The payment driver", named, "erc20")


def network_of(named: str | None) -> str:
    """The payment network for one that a program names; ``None`` was rinkeby, a test network."""
    environment = os.environ.get("YAGNA_PAYMENT_NETWORK", "").lower()
    wanted = (named or "rinkeby").lower()
    if environment in _TEST_NETWORKS:
        return _instead("The payment network", wanted, environment)
    return _instead("The payment network", wanted, _TEST if wanted in _RETIRED_NETWORKS else wanted)


def subnet_of(named: str | None) -> str | None:
    """The subnet for one that a program names: this environment's, where it names one."""
    environment = os.environ.get("YAGNA_SUBNET")
    if named is None:
        return environment
    if environment:
        return _instead("The subnet", named, environment)
    return _instead("The subnet", named, "public" if _RETIRED_SUBNET.fullmatch(named) else named)


def _instead(what: str, named: str, taken: str) -> str:
    words = f"{what} '{named}' is not asked for: '{taken}' is taken in its place."
    if named != taken and words not in _told:
        _told.add(words)
        _logger.warning(words)
    return taken
