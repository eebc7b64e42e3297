"""Where a session runs: the node to use, the image, and how much patience its network asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.localnet import network as localnet
from golem_launcher.networks import LOCAL

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node


@dataclass(frozen=True)
class Place:
    """A network that is ready for sessions. Times in seconds."""

    node: Node
    subnet: str
    registry_url: str
    image_tag: str
    look_seconds: float
    """How long to wait for a first answer before looking whether the market has anything that fits."""
    search_seconds: float
    """How long to look for a provider when it has."""
    refused_seconds: float
    """How long to go on looking when all offers so far were refused."""
    compare_seconds: float
    """How long to wait for better offers after the first one that will do."""
    deploy_seconds: float
    """How long a provider may take until our agent runs: it may have to fetch the image."""
    start_seconds: float
    """How long JupyterLab may then take until it answers."""
    silent_seconds: float = 60.0
    """How long a provider may be silent in every way before it is given up: the user's own line may have paused."""


def enter(network: Network) -> Place:
    """Make the network ready: find or start what it needs on this machine. Blocking. Raises ``LauncherError``."""
    if network.name != LOCAL.name:
        raise RequestError(f"There is no way yet into the network '{network.name}'.", field="network")
    running = localnet.up()
    return Place(
        node=running.node,
        subnet=str(running.state["subnet"]),
        registry_url=running.registry_url,
        image_tag="golem/jupyterlab:local",
        look_seconds=5.0,
        search_seconds=20.0,
        refused_seconds=3.0,
        compare_seconds=0.15,
        deploy_seconds=60.0,
        start_seconds=60.0,
        silent_seconds=6.5,
    )


def present(network: Network) -> Node | None:
    """The network's node when it runs already; nothing is started. Blocking."""
    if network.name == LOCAL.name and localnet.status().get("stage") == "ready":
        return localnet.up().node
    return None
