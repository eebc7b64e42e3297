"""Collects the offers for a request, by its network's node, which is started where it is ours. Blocking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.market.scan import offers_for
from golem_launcher.networks import NETWORKS
from golem_launcher.session.on_disk.held_machines import held_machines
from golem_launcher.session.preparation import network_nodes

if TYPE_CHECKING:
    from golem_launcher.market.scan import ScannedOffers
    from golem_launcher.request import LaunchRequest

_SCAN_SECONDS = {"none": 2.0, "test": 8.0, "real": 8.0}
"""Offers on the real networks spread slowly."""


def scan(request: LaunchRequest) -> ScannedOffers:
    """What is on offer for ``request``. Not from a thread with a running loop. Raises ``LauncherError``."""
    network = NETWORKS[request.network]
    place = network_nodes.enter(network)
    seconds = _SCAN_SECONDS[network.money]
    held = held_machines(network.name)
    return asyncio.run(offers_for(request, place.node, subnet=place.subnet, held=held, seconds=seconds))
