"""Where a session runs: the node to use, the image, and how much patience its network asks for."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NodeUnreachable
from golem_launcher.localnet import network as localnet
from golem_launcher.market import constraint, wallet
from golem_launcher.market.services import REGISTRY
from golem_launcher.networks import LOCAL
from golem_launcher.node import manager, probe

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node


@dataclass
class Place:
    """A network that is ready for sessions. Times in seconds. All of it stays as it is, but for the node's address."""

    node: Node
    subnet: str
    registry_url: str
    look_seconds: float
    """How long to wait for a first answer before looking whether the market has anything that fits."""
    search_seconds: float
    """How long to look for a provider when it has."""
    refused_seconds: float
    """How long to go on looking when all offers so far were refused."""
    compare_seconds: tuple[float, float]
    """How long to wait for better offers after the first one that will do: at least, and at most."""
    head_start_seconds: float
    """How long the best offer has to sign before one that is as good is asked as well."""
    deploy_seconds: float
    """How long a provider may take until our agent runs: it may have to fetch the image."""
    still_seconds: float
    """How long an image may stand still on its way to a provider."""
    start_seconds: float
    """How long JupyterLab may then take until it answers."""
    settles: bool = True
    """Whether bills are paid, in whatever coin."""
    silent_seconds: float = 60.0
    """How long a provider may be silent in every way before it is given up: the user's own line may have paused."""


def enter(network: Network) -> Place:
    """Make the network ready: find or start what it needs on this machine. Blocking. Raises ``LauncherError``."""
    return _enter_local() if network.name == LOCAL.name else _enter_real(network)


def _enter_local() -> Place:
    running = localnet.up()
    return Place(
        node=running.node,
        subnet=str(running.state["subnet"]),
        registry_url=running.registry_url,
        look_seconds=5.0,
        search_seconds=20.0,  # a crowd of providers and sessions on one machine takes longer than one of each
        refused_seconds=3.0,
        compare_seconds=(0.05, 1.0),
        head_start_seconds=1.0,
        deploy_seconds=60.0,
        still_seconds=20.0,
        start_seconds=60.0,
        settles=running.chain is not None,
        silent_seconds=3.5,
    )


def _enter_real(network: Network) -> Place:
    node = manager.ensure_node()
    wallet.open_account(node, network)
    return Place(
        node=node,
        subnet=constraint.subnet(os.environ.get("YAGNA_SUBNET") or network.subnet),
        registry_url=REGISTRY.address,
        look_seconds=30.0,
        search_seconds=180.0,
        refused_seconds=20.0,
        compare_seconds=(1.0, 4.0),
        head_start_seconds=3.0,
        deploy_seconds=1200.0,
        still_seconds=60.0,
        start_seconds=300.0,
    )


def elsewhere(network: Network, lost: Node, identity: str) -> Node | None:
    """The node with this identity, which was ``lost``, where it answers now: at another address. Blocking."""
    with contextlib.suppress(LauncherError):
        known = manager.known_nodes() if network.name != LOCAL.name else [present(network)]
        for node in filter(None, known):
            with contextlib.suppress(NodeUnreachable):
                if node.api_url != lost.api_url and probe.identity(node) == identity:
                    return node
    return None


def present(network: Network) -> Node | None:
    """The network's node when it runs already; nothing is started. Blocking."""
    if network.name != LOCAL.name:
        own = manager.own_node()
        return manager.named_node() or (own.node if own is not None else None)
    return localnet.up().node if localnet.status().get("stage") == "ready" else None
